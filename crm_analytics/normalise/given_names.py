"""Is a word a usual given name?  Names that a letter or two part, so that a twin is no slip of the pen.

Lena and Lea, Mia and Mina are two people more often than one with a slip; Lena and Lrna are one. Which forms
are names cannot be seen in a few hundred records, so usual names of the countries that this package reads are
written down here, from general knowledge. A name that is not among them is not taken to be none.
"""

from __future__ import annotations

from functools import cache

from crm_analytics.normalise.names import fold_name

_NAMES = """
ada adam adela agnes aida aila alan alba albert alena alessa alessia alex alexa alexander alexandra alexis
ali alia alice alicia alina aline alisa alma alva alwin amal amanda amelia amelie amin amina amir amira amy
ana anas andrea andreas andrei andrew anette angela angelika angelina anica anika anisa anita anja anka anke
ann anna anne anneke annett annette annika anton antonia anya arian ariana arin armin arne arno arthur arvid
arya asa ashley asja aslan astrid aurel aurelia aurora ava ayla aylin bastian bea beata beate bella ben
benno berit bernd bert berta berti bianca bill bjarne bob bodo boris britta bruno calvin cara carina carl
carla carlo carlos carmen carol carola caroline carsten cassandra celina celine chiara chloe chris christa
christian christiane christin christina christine cindy clara clarissa claudia claudio clemens clementine
cleo conny constantin cora corina corinna cornelia cornelius dagmar dana daniel daniela danielle dario darja
david dean debora deniz dennis diana diane didi dieter dina dirk don dora doreen doris dorothea dunja eda
edda eddi edgar edith edna edwin ege ela elena eleni eli elia eliana elias elif elina elisa elisabeth elise
ella ellen elli elly elma elmar elsa else elvin elvira elyas emil emilia emilie emily emin emir emma emmi
emmy ena eric erica erik erika erin erna ernst erwin esma esra esther eugen eva evan eve evelin evelyn evi
ewa fabian fabienne fabio falk fanny farah fatima fatma faye felicia felicitas felix femke fenja filip finja
finn fiona flora florence florian franca francesca frank franka frans franz franziska freda freya frida
frieda friedel fritz gabi gabriel gabriela gaby gerd gerda gerhard gero gerta gina gino gisa gisela gitta
giulia grace greta gretel gunda gunnar gunter hailey hana hanna hannah hannes hans hari harry hasan hassan
hedi hedwig heidi heike heiko hein heiner heinz helen helena helene helga helge helmi helmut henri henriette
henry hera hilda hilde holger holly horst hugo ian ida ilias ilka ilona ilse ilya ina inga inge ingo ingrid
inka ira irena irene iris irma isa isabel isabell isabella isla ivan ivana ivo ivy jack jacob jakob james
jan jana jane janek janet janina janine janna janne jannes jannik jannis jara jaro jason jasper jean jen
jenna jenni jennifer jenny jens jerome jill jim jo joan joanna joe joel johan johann johanna johannes john
jon jona jonah jonas jonna joris josef josefa josefine joseph josh joshua joy juan judith jule julia julian
juliana juliane julie julien juliet juliette julika julius juna june juri jurij justin justus kai kaja karen
karim karima karin karina karl karla karo karola karsten kate katharina kathi katja katrin kay keira ken
kenan kerem kerim kerstin kevin kian kiara kilian kim kira kirsten klara klaus kolja konrad konstantin kora
korinna kurt lana lara lars lasse laura laurin lea leah leana leander leila leilani lena lene leni lenja
lennart lenny leo leon leona leonard leonhard leonie leopold leticia levi levin lia liam lian liana lida
lidia lien lila lili lilia lilian lilli lilly lily lin lina linda linn linnea linus lion lisa lisbeth liv
liva livia liz liza lola lora lore lorena lorenz lotta lotte lou louis louisa louise luca lucas lucia lucie
lucy luis luisa luise luka lukas luke luna lutz lydia lynn mabel magda magnus maik maike maja malea malia
malik malin malina malou malte mandy manfred manja manuel manuela mara maran marc marcel marcela marco
marcus mareike maren margit margot maria mariam marian mariana marie marieke mariella marietta marika marin
marina mario marion marisa marit marita marius mark marko markus marla marlen marlene marlies marlon marta
marten martha martin martina marvin mary mateo mathilda mathilde matilda matteo matthias matti mattis
maurice max maxi maxim maya mehdi meike mela melanie melek melina melissa merle merve mia micha michael
michaela michel michelle mika mike mila milan milana milas milena miles milla milo mina mira miranda miriam
mirja mirka mirko mohamed mohammad mona monica monika moritz muriel nadia nadine nadja naima nancy naomi
nasrin natalia natalie natascha nathan neele nele nelli nelly nia nick nicki nico nicola nicolas nicole
niels nik nika nike niklas niko nikola nikolas nils nina nino noa noah noel noemi nola nora norbert norma
nour nuri odin ole oleg olga oliver olivia omar oscar oskar osman otis otto ove pamela pascal patricia
patrick patrizia paul paula paulina pauline pavel peer peggy per petar peter petra phil philip philipp pia
pierre pina rabea rachel rafael rahel raik raimund rainer ralf ralph ramin ramona rana rania raphael raul
rebecca regina regine reina reiner reinhard reinhold rena renate rene reza ria ricarda richard rick rico
rika rita rob robert robin rocco roland rolf roman romana romina romy ron ronja ronny rosa rosalie rosi
rosie roswitha roy ruben rudi rudolf runa rune ruth sabina sabine sabrina sahar said salma salome sam
samantha sami samia samir samira samuel sana sandra sandro sanna sara sarah sascha saskia sean sebastian
selim selin selina selma semih sena senta serena sergej sibel sibylle siegfried sigrid silas silja silke
silvan silvia silvio sima simon simona simone sina sira siri sofia sofie sonja sophia sophie stefan stefanie
stella sten stephan susann susanna susanne suse svea sven svenja swen sybille sylvia tabea tamara tamina
tania tanja tara tarek tarik tatjana ted tessa thea theo theodor theresa therese thilo thomas thora thore
tia tiana tilda till tilly tim timm timo tina tino tobias tom toni tony tora torben torsten tristan udo ulf
uli ulla ulrich ulrike ursel ursula uschi uta ute uwe valentin valentina valeria valerie vanessa vera verena
veronika vicki victor victoria viktor viktoria vincent viola violet vito vivian volker walter waltraud wanda
wendy werner wilfried wilhelm willi willy wilma wim wolf wolfgang xenia yann yannick yara yasin yasmin ylva
yusuf yvonne zahra zara zeno zoe zora
"""


@cache
def _known() -> frozenset[str]:
    return frozenset(folded for one in _NAMES.split() if (folded := fold_name(one)))


def is_given_name(folded: str) -> bool:
    """Is a folded word one of the usual given names?

    Examples
    --------
    >>> is_given_name("lena"), is_given_name("lea"), is_given_name("lrna")
    (True, True, False)
    """
    return folded in _known()
