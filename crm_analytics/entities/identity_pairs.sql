-- kind:    table
-- purpose: Which pairs of source records did the last run of the linkage find alike, how much so and in what?
-- grain:   left_id, right_id
-- reads:   none
-- columns:
--   left_id               smaller key (system:id) of the two
--   right_id              larger key
--   probability           probability that both are one customer, by the model
--   weight                match weight, bits (log2 of the odds)
--   decision              link = one customer; review = a person should look; apart = told apart by a contradiction
--   is_contradicted       true = no group holds both, whatever other records link them
--   because               what decided: a rule, or what is lacking
--   given_name_level      how the given names compare; NULL = one of them is not known
--   given_name_weight     what it adds to the weight, bits
--   family_name_level     how the family names, or the names of organisations, compare
--   family_name_weight    bits
--   birth_level           how the dates of birth compare
--   birth_weight          bits
--   email_level           how the e-mail addresses compare
--   email_weight          bits
--   phone_level           how the telephone numbers compare
--   phone_weight          bits
--   national_id_level     how the numbers given by a state compare
--   national_id_weight    bits
--   address_level         how the addresses compare
--   address_weight        bits
create table if not exists entities.identity_pairs (
    left_id varchar not null,
    right_id varchar not null,
    probability double not null,
    weight double not null,
    decision varchar not null,
    is_contradicted boolean,
    because varchar not null,
    given_name_level varchar,
    given_name_weight double,
    family_name_level varchar,
    family_name_weight double,
    birth_level varchar,
    birth_weight double,
    email_level varchar,
    email_weight double,
    phone_level varchar,
    phone_weight double,
    national_id_level varchar,
    national_id_weight double,
    address_level varchar,
    address_weight double
)
