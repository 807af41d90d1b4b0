"""Which tables of which connectors are loaded by which profile, and what do they refer to?

One entry per folder of ``data/crm_system_schemas``: every file of it is loaded by a profile or passed over
for a reason, and per relation stands how many ids are named and how many of them the folder itself knows. The
test that goes with it is ``test_connector_seeds``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Column = tuple[str, str]


@dataclass(frozen=True)
class Relation:
    """Which ids one column of ours names, and where they are in the files.

    Attributes
    ----------
    filled, resolving : int
        Things that name an id, and those among them whose id is known: what is true of these files.
    named : tuple of (file, id column)
        Columns of the files that name the ids.
    known : tuple of (file, id column)
        Columns of the files that hold the ids they point to.
    key : tuple of str
        Columns that tell the things apart.
    refers : str
        Our entity that holds the ids, where it is another than the column's own.
    only, known_only, ours : str
        Which rows of the files (pandas queries: of ``named``, of ``known``) and of the warehouse (SQL) count.
    """

    filled: int
    resolving: int
    named: tuple[Column, ...]
    known: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    only: str = ""
    known_only: str = ""
    refers: str = ""
    ours: str = "true"


@dataclass(frozen=True)
class System:
    """Tables of one system: file -> profile; file -> why no entity is told; our column -> relation.

    ``nothing_new`` are sound records that tell nothing by the profile's ``when``, or nothing that a file
    before did not tell; ``received_at`` lies after the youngest record.
    """

    profiles: Mapping[str, str]
    passed_over: Mapping[str, str]
    relations: Mapping[str, Relation]
    received_at: str = "2025-07-01"
    nothing_new: Mapping[str, int] = field(default_factory=dict)


def _because(ending: str, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return file -> reason of "reason": "first second third", each name with the ending all files share."""
    return {f"{name}{ending}": reason for reason, names in reasons.items() for name in names.split()}


_ACCOUNTS = (("sf_account_data.csv", "id"), ("sf_account_history_data.csv", "id"))
_CONTACTS = (("sf_contact_data.csv", "id"), ("sf_contact_history_data.csv", "id"))
_DEALS = (("sf_opportunity_data.csv", "id"), ("sf_opportunity_history_data.csv", "id"))
_SALES_USERS = (("sf_user_data.csv", "id"),)


def _hubspot_pairs() -> dict[str, Relation]:
    """Both ends of every table of pairs; nearly all of the records named were cut from these files."""
    ends = {
        "deal_company": ("opportunity", "company", 2, 0, 0),
        "deal_contact": ("opportunity", "contact", 11, 0, 0),
        "ticket_company": ("ticket", "company", 9, 0, 0),
        "ticket_contact": ("ticket", "contact", 9, 0, 0),
        "ticket_deal": ("ticket", "deal", 9, 0, 0),
        "engagement_company": ("task", "company", 1, 0, 0),
        "engagement_contact": ("interaction", "contact", 1, 1, 0),
        "engagement_deal": ("task", "deal", 1, 0, 0),
    }
    interactions = ("call", "communication", "email", "note")
    known = {
        "company": (("company_data.csv", "id"),),
        "contact": (("contact_data.csv", "id"),),
        "deal": (("deal_data.csv", "deal_id"),),
        "opportunity": (("deal_data.csv", "deal_id"),),
        "ticket": (("ticket_data.csv", "id"),),
        "task": (("engagement_task_data.csv", "engagement_id"),),
        "interaction": tuple((f"engagement_{kind}_data.csv", "engagement_id") for kind in interactions),
    }
    ours = {"company": "customer", "deal": "opportunity"}
    found: dict[str, Relation] = {}
    for table, (record, other, count, records_known, others_known) in ends.items():
        record_id, other_id = table.partition("_")[0] + "_id", f"{other}_id"
        pair = f"{record}_source_id is not null and {ours.get(other, other)}_source_id is not null"
        for end, column, resolving in ((record, record_id, records_known), (other, other_id, others_known)):
            found[f"relations.{ours.get(end, end)}_source_id of {table}"] = Relation(
                count,
                resolving,
                ((f"{table}_data.csv", column),),
                known[end],
                key=(record_id, other_id),
                ours=pair,
            )
    return found


SYSTEMS = {
    "salesforce": System(
        profiles={
            "sf_account_data.csv": "salesforce_account",
            "sf_account_history_data.csv": "salesforce_account",
            "sf_contact_data.csv": "salesforce_contact",
            "sf_contact_history_data.csv": "salesforce_contact",
            "sf_event_data.csv": "salesforce_event",
            "sf_lead_data.csv": "salesforce_lead",
            "sf_opportunity_data.csv": "salesforce_opportunity",
            "sf_opportunity_history_data.csv": "salesforce_opportunity",
            "sf_opportunity_line_item_data.csv": "salesforce_opportunity_line_item",
            "sf_order_data.csv": "salesforce_order",
            "sf_product_2_data.csv": "salesforce_product",
            "sf_task_data.csv": "salesforce_task",
            "sf_user_data.csv": "salesforce_user",
        },
        passed_over={"sf_user_role_data.csv": "names of positions; a user's role is text"},
        relations={
            "contacts.customer_source_id": Relation(
                3,
                0,
                (("sf_contact_data.csv", "account_id"), ("sf_contact_history_data.csv", "account_id")),
                _ACCOUNTS,
            ),
            "customers.owner_source_id": Relation(
                10,
                0,
                (("sf_account_data.csv", "owner_id"), ("sf_account_history_data.csv", "owner_id")),
                _SALES_USERS,
            ),
            "opportunities.customer_source_id": Relation(
                10,
                0,
                (
                    ("sf_opportunity_data.csv", "account_id"),
                    ("sf_opportunity_history_data.csv", "account_id"),
                ),
                _ACCOUNTS,
            ),
            "order_lines.product_source_id": Relation(
                10,
                0,
                (("sf_opportunity_line_item_data.csv", "product_2_id"),),
                (("sf_product_2_data.csv", "id"),),
            ),
            "order_lines.order_source_id": Relation(
                10,
                0,
                (("sf_opportunity_line_item_data.csv", "opportunity_id"),),
                _DEALS,
                refers="opportunities",
            ),
            "orders.customer_source_id": Relation(
                10, 0, (("sf_order_data.csv", "account_id"),), _ACCOUNTS, ours="kind = 'order'"
            ),
            "tasks.customer_source_id": Relation(9, 0, (("sf_task_data.csv", "account_id"),), _ACCOUNTS),
            "tasks.opportunity_source_id": Relation(
                7, 0, (("sf_task_data.csv", "what_id"),), _DEALS, only="what_id.str.startswith('006')"
            ),
            "interactions.contact_source_id": Relation(
                10, 0, (("sf_event_data.csv", "who_id"),), _CONTACTS, only="who_id.str.startswith('003')"
            ),
            "leads.converted_customer_source_id": Relation(
                1, 0, (("sf_lead_data.csv", "converted_account_id"),), _ACCOUNTS
            ),
        },
        nothing_new={"sf_account_history_data.csv": 10, "sf_contact_history_data.csv": 3},
    ),
    "zendesk": System(
        profiles={
            "organization_data.csv": "zendesk_organization",
            "ticket_data.csv": "zendesk_ticket",
            "ticket_field_history_data.csv": "zendesk_ticket_field_history",
            "user_data.csv": "zendesk_user",
        },
        passed_over={
            "audit_log_data.csv": "changes of Zendesk's own settings",
            "brand_data.csv": "brands of the help desk",
            "daylight_time_data.csv": "a calendar of time zones",
            "domain_name_data.csv": "mail domains of organizations",
            "group_data.csv": "groups of agents; the users do not name theirs",
            "organization_tag_data.csv": "tags",
            "schedule_data.csv": "business hours of the help desk",
            "schedule_holiday_data.csv": "holidays of the help desk",
            "sla_policy_metric_history_data.csv": "agreed times of answer",
            "ticket_chat_data.csv": "chats without a time",
            "ticket_chat_event_data.csv": "events of chats without ticket or customer",
            "ticket_comment_data.csv": "comments; it is not said whether agent or customer wrote them",
            "ticket_form_history_data.csv": "forms of the help desk",
            "ticket_schedule_data.csv": "business hours that hold for a ticket",
            "ticket_sla_policy_data.csv": "agreed times of answer of a ticket",
            "ticket_tag_data.csv": "tags",
            "time_zone_data.csv": "a list of time zones",
            "user_tag_data.csv": "tags",
        },
        relations={
            "tickets.customer_source_id": Relation(
                10,
                1,
                (("ticket_data.csv", "requester_id"),),
                (("user_data.csv", "id"), ("organization_data.csv", "id")),
            ),
            "tickets.owner_source_id": Relation(
                9, 1, (("ticket_data.csv", "assignee_id"),), (("user_data.csv", "id"),)
            ),
            "customers.parent_source_id": Relation(
                9,
                0,
                (("user_data.csv", "organization_id"),),
                (("organization_data.csv", "id"),),
                only="role == 'end-user'",
            ),
            "ticket_statuses.ticket_source_id": Relation(
                27,
                13,
                (("ticket_field_history_data.csv", "ticket_id"),),
                (("ticket_data.csv", "id"),),
                key=("ticket_id", "updated", "value"),
                only="field_name == 'status'",
            ),
        },
        nothing_new={"ticket_field_history_data.csv": 11},
    ),
    "hubspot": System(
        profiles={
            "company_data.csv": "hubspot_company",
            "contact_data.csv": "hubspot_contact",
            "deal_company_data.csv": "hubspot_deal_relation",
            "deal_contact_data.csv": "hubspot_deal_relation",
            "deal_data.csv": "hubspot_deal",
            "email_campaign_data.csv": "hubspot_email_campaign",
            "engagement_call_data.csv": "hubspot_engagement",
            "engagement_communication_data.csv": "hubspot_engagement",
            "engagement_company_data.csv": "hubspot_engagement_relation",
            "engagement_contact_data.csv": "hubspot_engagement_relation",
            "engagement_deal_data.csv": "hubspot_engagement_relation",
            "engagement_email_data.csv": "hubspot_engagement",
            "engagement_note_data.csv": "hubspot_engagement",
            "engagement_task_data.csv": "hubspot_engagement",
            "owner_data.csv": "hubspot_owner",
            "ticket_company_data.csv": "hubspot_ticket_relation",
            "ticket_contact_data.csv": "hubspot_ticket_relation",
            "ticket_data.csv": "hubspot_ticket",
            "ticket_deal_data.csv": "hubspot_ticket_relation",
            "users_data.csv": "hubspot_user",
        },
        passed_over=_because(
            "_data.csv",
            {
                "changes of single properties, in HubSpot's own names": "company_property_history "
                "contact_property_history deal_property_history ticket_property_history",
                "which records were merged into which": "merged_deal contact_merge_audit",
                "which engagement is about which ticket": "ticket_engagement",
                "which list names a contact; lists are no entity": "contact_list contact_list_member",
                "names of stages and pipelines": "deal_pipeline deal_pipeline_stage ticket_pipeline "
                "ticket_pipeline_stage",
                "the stage without the kind (open, won, lost) that our stages must have": "deal_stage",
                "e-mail events in two halves, the time here and the kind there": "email_event "
                "email_event_bounce email_event_click email_event_deferred email_event_delivered "
                "email_event_dropped email_event_forward email_event_open email_event_print "
                "email_event_sent email_event_spam_report email_event_status_change",
                "engagements without a time": "engagement",
                "meetings in an older form that does not name the type": "engagement_meeting",
                "forms of a web page and what was sent by them": "form contact_form_submission",
                "declarations of HubSpot's own fields": "property property_option",
                "names of teams and roles, and who is in them": "team team_user owner_team role",
            },
        ),
        relations={
            "opportunities.owner_source_id": Relation(
                22, 22, (("deal_data.csv", "owner_id"),), (("owner_data.csv", "owner_id"),), key=("deal_id",)
            ),
            "tasks.owner_source_id": Relation(
                1,
                0,
                (("engagement_task_data.csv", "property_hubspot_owner_id"),),
                (("owner_data.csv", "owner_id"),),
                key=("engagement_id",),
                only="type == 'TASK'",
            ),
            "tickets.owner_source_id": Relation(
                6, 5, (("ticket_data.csv", "property_hubspot_owner_id"),), (("owner_data.csv", "owner_id"),)
            ),
            **_hubspot_pairs(),
        },
        nothing_new={"engagement_task_data.csv": 1},
    ),
    "shopify": System(
        profiles={
            "shopify_customer_data.csv": "shopify_connector_customer",
            "shopify_gql_customer_data.csv": "shopify_connector_customer",
            "shopify_gql_order_data.csv": "shopify_connector_order",
            "shopify_gql_order_line_data.csv": "shopify_connector_order_line",
            "shopify_gql_product_data.csv": "shopify_connector_product",
            "shopify_gql_refund_data.csv": "shopify_connector_refund",
            "shopify_gql_transaction_data.csv": "shopify_connector_transaction",
            "shopify_order_data.csv": "shopify_connector_order",
            "shopify_order_line_data.csv": "shopify_connector_order_line",
            "shopify_product_data.csv": "shopify_connector_product",
            "shopify_transaction_data.csv": "shopify_connector_transaction",
        },
        passed_over=_because(
            "_data.csv",
            {
                "carts that were not bought": "shopify_abandoned_checkout "
                "shopify_abandoned_checkout_discount_code "
                "shopify_abandoned_checkout_shipping_line shopify_gql_abandoned_checkout "
                "shopify_gql_abandoned_checkout_discount_code",
                "collections of products": "shopify_collection shopify_collection_product "
                "shopify_gql_collection shopify_gql_collection_product shopify_gql_collection_rule",
                "tags": "shopify_customer_tag shopify_order_tag shopify_order_url_tag shopify_product_tag "
                "shopify_gql_customer_tag shopify_gql_order_tag shopify_gql_product_tag",
                "addresses apart from their customers": "shopify_gql_customer_address",
                "visits without a customer": "shopify_gql_customer_visit",
                "how a discount is spread; order and line tell its sum": "shopify_discount_allocation "
                "shopify_discount_application shopify_order_discount_code shopify_gql_discount_allocation "
                "shopify_gql_discount_application shopify_gql_order_discount_code",
                "rules and codes of discounts": "shopify_discount_code_app shopify_discount_code_basic "
                "shopify_discount_code_bxgy shopify_discount_code_free_shipping shopify_discount_redeem_code "
                "shopify_gql_discount_code_app shopify_gql_discount_code_basic "
                "shopify_gql_discount_code_bxgy shopify_gql_discount_code_free_shipping "
                "shopify_gql_discount_redeem_code",
                "parcels": "shopify_fulfillment shopify_fulfillment_event shopify_gql_fulfillment "
                "shopify_gql_fulfillment_event shopify_gql_fulfillment_order_line_item "
                "shopify_gql_fulfillment_tracking_info",
                "stock and places of stock": "shopify_inventory_item shopify_inventory_level "
                "shopify_inventory_quantity shopify_location shopify_gql_inventory_item "
                "shopify_gql_inventory_level shopify_gql_inventory_quantity shopify_gql_location",
                "pictures": "shopify_media shopify_media_image shopify_product_media "
                "shopify_product_variant_media shopify_gql_media shopify_gql_media_image "
                "shopify_gql_product_media shopify_gql_product_variant_media",
                "fields that a shop made up": "shopify_metafield shopify_order_note_attribute "
                "shopify_gql_metafield shopify_gql_order_note_attribute shopify_gql_order_custom_attribute",
                "variants; a line names its product": "shopify_product_variant shopify_gql_product_variant",
                "refunds without an amount; transactions have it": "shopify_refund",
                "parts of a refund; the refund or its transaction has the whole": "shopify_order_adjustment "
                "shopify_order_line_refund shopify_gql_order_adjustment shopify_gql_order_line_refund "
                "shopify_gql_refund_line_item",
                "goods sent back, without a time or an amount": "shopify_gql_return "
                "shopify_gql_return_line_item shopify_gql_return_shipping_fee",
                "shipping and taxes in parts; the order has the sums": "shopify_order_shipping_line "
                "shopify_order_shipping_tax_line shopify_tax_line shopify_gql_order_shipping_line "
                "shopify_gql_order_shipping_tax_line shopify_gql_order_line_tax_line shopify_gql_tax_line",
                "the shop itself": "shopify_shop shopify_gql_shop",
                "the transactions once more, as the till counts them": "shopify_tender_transaction "
                "shopify_gql_tender_transaction",
            },
        ),
        relations={
            "orders.customer_source_id": Relation(
                15,
                10,
                (("shopify_order_data.csv", "customer_id"), ("shopify_gql_order_data.csv", "customer_id")),
                (("shopify_customer_data.csv", "id"), ("shopify_gql_customer_data.csv", "id")),
                only="test.str.lower() != 'true'",
            ),
            "order_lines.order_source_id": Relation(
                13,
                3,
                (
                    ("shopify_order_line_data.csv", "order_id"),
                    ("shopify_gql_order_line_data.csv", "order_id"),
                ),
                (("shopify_order_data.csv", "id"), ("shopify_gql_order_data.csv", "id")),
                known_only="test.str.lower() != 'true'",
            ),
            "order_lines.product_source_id": Relation(
                13,
                3,
                (
                    ("shopify_order_line_data.csv", "product_id"),
                    ("shopify_gql_order_line_data.csv", "product_id"),
                ),
                (("shopify_product_data.csv", "id"), ("shopify_gql_product_data.csv", "id")),
            ),
            "payments.order_source_id": Relation(
                9,
                0,
                (
                    ("shopify_transaction_data.csv", "order_id"),
                    ("shopify_gql_transaction_data.csv", "order_id"),
                ),
                (("shopify_order_data.csv", "id"), ("shopify_gql_order_data.csv", "id")),
                known_only="test.str.lower() != 'true'",
                only="kind.isin(['sale', 'capture']) and test.str.lower() != 'true'",
            ),
        },
        received_at="2025-12-31",
        nothing_new={"shopify_gql_order_data.csv": 2, "shopify_gql_transaction_data.csv": 6},
    ),
    "stripe": System(
        profiles={
            "charge_data.csv": "stripe_charge",
            "customer_data.csv": "stripe_customer",
            "invoice_data.csv": "stripe_invoice_connector",
            "product_data.csv": "stripe_product",
            "refund_data.csv": "stripe_refund",
            "subscription_data.csv": "stripe_subscription",
            "subscription_history_data.csv": "stripe_subscription",
        },
        passed_over=_because(
            "_data.csv",
            {
                "the company's own account": "account",
                "what Stripe pays out, with its fees": "balance_transaction fee payout "
                "payout_balance_transaction transfer",
                "cards and other means of payment": "card payment_method payment_method_card",
                "discounts and their rules": "coupon discount subscription_discount",
                "credit notes; what was paid back is a refund": "credit_note credit_note_line_item",
                "disputes of charges": "dispute",
                "lines of invoices, which do not name a product": "invoice_line_item",
                "intents; the charge that came of one is loaded": "payment_intent",
                "prices of products": "plan price",
                "what a subscription consists of": "subscription_item",
            },
        ),
        relations={
            "payments.customer_source_id": Relation(
                16, 0, (("charge_data.csv", "customer_id"),), (("customer_data.csv", "id"),)
            ),
            "orders.customer_source_id": Relation(
                2,
                0,
                (("invoice_data.csv", "customer_id"),),
                (("customer_data.csv", "id"),),
                ours="kind = 'invoice'",
            ),
            "contracts.customer_source_id": Relation(
                2,
                0,
                (("subscription_data.csv", "customer_id"), ("subscription_history_data.csv", "customer_id")),
                (("customer_data.csv", "id"),),
            ),
            "returns.order_source_id": Relation(
                4,
                0,
                (("refund_data.csv", "charge_id"),),
                (("charge_data.csv", "id"),),
                only="status == 'succeeded'",
            ),
        },
        nothing_new={"subscription_history_data.csv": 2},
    ),
    "mailchimp": System(
        profiles={
            "automation_email.csv": "mailchimp_campaign",
            "automation_recipient_activity.csv": "mailchimp_activity",
            "campaign.csv": "mailchimp_campaign",
            "campaign_recipient_activity.csv": "mailchimp_activity",
            "member.csv": "mailchimp_member",
            "unsubscribe.csv": "mailchimp_unsubscribe",
        },
        passed_over=_because(
            ".csv",
            {
                "settings of an automation; its mails are loaded": "automation",
                "who was to get a mail, without a time": "automation_recipient campaign_recipient",
                "audiences and segments are no entity": "list segment segment_member",
            },
        ),
        relations={
            "interactions.customer_source_id": Relation(
                25,
                24,
                (
                    ("automation_recipient_activity.csv", "member_id"),
                    ("campaign_recipient_activity.csv", "member_id"),
                ),
                (("member.csv", "id"),),
                key=("member_id", "action", "timestamp", "list_id"),
            ),
            "consents.customer_source_id": Relation(
                8,
                8,
                (("member.csv", "id"),),
                (("member.csv", "id"),),
                only="status.isin(['subscribed', 'unsubscribed'])",
                # the table of unsubscriptions tells one of them again, with its own time
                ours="is_granted or occurred_at >= '2025-06-01'",
            ),
            "interactions.campaign_source_id": Relation(
                25,
                25,
                (
                    ("automation_recipient_activity.csv", "automation_email_id"),
                    ("campaign_recipient_activity.csv", "campaign_id"),
                ),
                (("automation_email.csv", "id"), ("campaign.csv", "id")),
                key=("member_id", "action", "timestamp", "list_id"),
            ),
        },
        nothing_new={"member.csv": 1},
    ),
    "klaviyo": System(
        profiles={
            "campaign.csv": "klaviyo_campaign",
            "event.csv": "klaviyo_event",
            "event_norename.csv": "klaviyo_event",
            "person.csv": "klaviyo_profile",
        },
        passed_over=_because(
            ".csv",
            {
                "automatic series of mails, which are no campaigns": "flow",
                "names of events; an event has its own": "metric",
            },
        ),
        relations={
            "interactions.customer_source_id": Relation(
                3,
                0,
                (("event.csv", "person_id"),),
                (("person.csv", "id"),),
                only="type == 'Received Email'",
            ),
            "interactions.campaign_source_id": Relation(
                2,
                0,
                (("event.csv", "campaign_id"),),
                (("campaign.csv", "id"),),
                only="type == 'Received Email'",
            ),
        },
        nothing_new={"event.csv": 1, "event_norename.csv": 4},
    ),
}
