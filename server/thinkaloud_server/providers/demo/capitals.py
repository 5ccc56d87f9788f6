"""Questions about capitals, answered from a table: of a country its capital, of a capital its country."""

from __future__ import annotations

import re

from thinkaloud_server.providers.demo.thought import Thought

_ASKED = re.compile(r"\bcapitals?\b", re.I)

_TABLE = """
Afghanistan=Kabul Albania=Tirana Algeria=Algiers Andorra=Andorra_la_Vella Angola=Luanda Argentina=Buenos_Aires
Armenia=Yerevan Australia=Canberra Austria=Vienna Azerbaijan=Baku Bahamas=Nassau Bahrain=Manama Bangladesh=Dhaka
Barbados=Bridgetown Belarus=Minsk Belgium=Brussels Belize=Belmopan Benin=Porto-Novo Bhutan=Thimphu Bolivia=Sucre
Bosnia_and_Herzegovina=Sarajevo Botswana=Gaborone Brazil=Brasília Brunei=Bandar_Seri_Begawan Bulgaria=Sofia
Burkina_Faso=Ouagadougou Burundi=Gitega Cambodia=Phnom_Penh Cameroon=Yaoundé Canada=Ottawa Cape_Verde=Praia
Central_African_Republic=Bangui Chad=N'Djamena Chile=Santiago China=Beijing Colombia=Bogotá Comoros=Moroni
Costa_Rica=San_José Croatia=Zagreb Cuba=Havana Cyprus=Nicosia Czechia=Prague Czech_Republic=Prague
Democratic_Republic_of_the_Congo=Kinshasa Denmark=Copenhagen Djibouti=Djibouti_City Dominica=Roseau
Dominican_Republic=Santo_Domingo East_Timor=Dili Ecuador=Quito Egypt=Cairo El_Salvador=San_Salvador
Equatorial_Guinea=Malabo Eritrea=Asmara Estonia=Tallinn Eswatini=Mbabane Ethiopia=Addis_Ababa Fiji=Suva
Finland=Helsinki France=Paris Gabon=Libreville Gambia=Banjul Georgia=Tbilisi Germany=Berlin Ghana=Accra
Greece=Athens Grenada=St._George's Guatemala=Guatemala_City Guinea=Conakry Guinea-Bissau=Bissau
Guyana=Georgetown Haiti=Port-au-Prince Honduras=Tegucigalpa Hungary=Budapest Iceland=Reykjavík India=New_Delhi
Indonesia=Jakarta Iran=Tehran Iraq=Baghdad Ireland=Dublin Israel=Jerusalem Italy=Rome Ivory_Coast=Yamoussoukro
Jamaica=Kingston Japan=Tokyo Jordan=Amman Kazakhstan=Astana Kenya=Nairobi Kiribati=South_Tarawa
Kuwait=Kuwait_City Kyrgyzstan=Bishkek Laos=Vientiane Latvia=Riga Lebanon=Beirut Lesotho=Maseru Liberia=Monrovia
Libya=Tripoli Liechtenstein=Vaduz Lithuania=Vilnius Luxembourg=Luxembourg_City Madagascar=Antananarivo
Malawi=Lilongwe Malaysia=Kuala_Lumpur Maldives=Malé Mali=Bamako Malta=Valletta Mauritania=Nouakchott
Mauritius=Port_Louis Mexico=Mexico_City Micronesia=Palikir Moldova=Chișinău Monaco=Monaco Mongolia=Ulaanbaatar
Montenegro=Podgorica Morocco=Rabat Mozambique=Maputo Myanmar=Naypyidaw Namibia=Windhoek Nepal=Kathmandu
Netherlands=Amsterdam New_Zealand=Wellington Nicaragua=Managua Niger=Niamey Nigeria=Abuja North_Korea=Pyongyang
North_Macedonia=Skopje Norway=Oslo Oman=Muscat Pakistan=Islamabad Palau=Ngerulmud Panama=Panama_City
Papua_New_Guinea=Port_Moresby Paraguay=Asunción Peru=Lima Philippines=Manila Poland=Warsaw Portugal=Lisbon
Qatar=Doha Republic_of_the_Congo=Brazzaville Romania=Bucharest Russia=Moscow Rwanda=Kigali Samoa=Apia
San_Marino=San_Marino Saudi_Arabia=Riyadh Senegal=Dakar Serbia=Belgrade Seychelles=Victoria
Sierra_Leone=Freetown Singapore=Singapore Slovakia=Bratislava Slovenia=Ljubljana Solomon_Islands=Honiara
Somalia=Mogadishu South_Africa=Pretoria South_Korea=Seoul South_Sudan=Juba Spain=Madrid Sri_Lanka=Colombo
Sudan=Khartoum Suriname=Paramaribo Sweden=Stockholm Switzerland=Bern Syria=Damascus Taiwan=Taipei
Tajikistan=Dushanbe Tanzania=Dodoma Thailand=Bangkok Togo=Lomé Tonga=Nukuʻalofa
Trinidad_and_Tobago=Port_of_Spain Tunisia=Tunis Turkey=Ankara Turkmenistan=Ashgabat Tuvalu=Funafuti
Uganda=Kampala Ukraine=Kyiv United_Arab_Emirates=Abu_Dhabi United_Kingdom=London United_States=Washington,_D.C.
Uruguay=Montevideo Uzbekistan=Tashkent Vanuatu=Port_Vila Vatican_City=Vatican_City Venezuela=Caracas
Vietnam=Hanoi Yemen=Sanaa Zambia=Lusaka Zimbabwe=Harare
"""
_WITH_ARTICLE = re.compile(
    r"United |.*Republic|Netherlands|Philippines|.* Islands|Bahamas|Comoros|Gambia|Maldives|Seychelles"
)
_ALSO = {"UK": "United Kingdom", "USA": "United States", "US": "United States", "UAE": "United Arab Emirates"}

CAPITALS = {
    country.replace("_", " "): capital.replace("_", " ")
    for country, _, capital in (entry.partition("=") for entry in _TABLE.split())
}
# Longest first: "South Sudan" must not be found as "Sudan".
_COUNTRIES = sorted(CAPITALS, key=len, reverse=True)


def solve(question: str) -> Thought | None:
    """The capital of the country in the question, or the country of the capital; None when neither is asked."""
    if not _ASKED.search(question):
        return None
    country = _named(question, _COUNTRIES) or _ALSO.get(_named(question, list(_ALSO)))
    if country:
        capital = CAPITALS[country]
        steps = (f"The country is {country}.", f"My table says: {country}, {capital}.")
        return Thought(
            steps, f"The capital of {_spoken(country)} is {_sentence_end(capital)}", _checks(country, capital)
        )
    capital = _named(question, sorted(set(CAPITALS.values()), key=len, reverse=True))
    if capital:
        country = next(country for country, its in CAPITALS.items() if its == capital)
        steps = (f"The city is {capital}.", f"My table says: {country}, {capital}.")
        return Thought(steps, f"{capital} is the capital of {_spoken(country)}.", _checks(country, capital))
    known = len(set(CAPITALS.values()))
    return Thought(
        ("The question is about a capital.", "No country of my table is in it."),
        f"I do not find a country that I know in your question. My table has {known} capitals.",
    )


def _named(question: str, names: list[str]) -> str:
    lowered = question.lower()
    for name in names:
        # The pattern asks for whole words; most names are not there at all, which is quicker to see.
        if name.lower() in lowered and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.I):
            return name
    return ""


def _spoken(country: str) -> str:
    return f"the {country}" if _WITH_ARTICLE.match(country) else country


def _sentence_end(word: str) -> str:
    return word if word.endswith(".") else f"{word}."


def _checks(country: str, capital: str) -> tuple[str, ...]:
    return (f"Check from the other side: {capital} belongs to {country}.",)
