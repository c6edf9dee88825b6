"""Other names of dances, as people's folders and tables call them."""

import re
import unicodedata
from collections.abc import Sequence

from runtime.dances import DANCES, OTHER

# As folders are called in English, German, French, Italian, Spanish, Czech;
# compared without case, accents, blanks, punctuation and what stands in brackets.
FOLDER_NAMES: dict[str, str] = {
    **{key.replace("_", ""): key for key in DANCES},
    "chacha": "cha_cha_cha",
    "paso": "paso_doble",
    "rhumba": "rumba",
    "rumbainternational": "rumba",
    "rumbaamerican": "rumba",
    "rumbamisc": "rumba",
    "foxtrot": "slow_foxtrot",
    "foxtrott": "slow_foxtrot",
    "slowfox": "slow_foxtrot",
    "slowfoxtrott": "slow_foxtrot",
    "waltz": "slow_waltz",
    "walzer": "slow_waltz",
    "englishwaltz": "slow_waltz",
    "englischerwalzer": "slow_waltz",
    "langsamerwalzer": "slow_waltz",
    "valselente": "slow_waltz",
    "valzerlento": "slow_waltz",
    "valslento": "slow_waltz",
    "anglickywaltz": "slow_waltz",
    "vienneswaltz": "viennese_waltz",
    "viennawaltz": "viennese_waltz",
    "wienerwalzer": "viennese_waltz",
    "wienerwaltz": "viennese_waltz",
    "valseviennoise": "viennese_waltz",
    "valzerviennese": "viennese_waltz",
    "valsvienes": "viennese_waltz",
    "valcik": "viennese_waltz",
    "disco": "discofox",
    "discofoxtrot": "discofox",
    "hustle": "discofox",
    "wcs": "west_coast_swing",
    "westcoast": "west_coast_swing",
    "nightclub": "nightclub_two_step",
    "nc2s": "nightclub_two_step",
    "nightclubtwostep": "nightclub_two_step",
    "twostep": "country_two_step",
    "texastwostep": "country_two_step",
    "tripletwo": "country_triple_two",
    "tripletwostep": "country_triple_two",
    "brazilianzouk": "zouk",
    OTHER: OTHER,
    "others": OTHER,
    "none": OTHER,
    "noneofthese": OTHER,
}


def plain(name: str) -> str:
    """'Cha-Cha-Cha (Latin)' to 'chachacha'."""
    outside = re.sub(r"[(\[{].*?[)\]}]", "", name)
    decomposed = unicodedata.normalize("NFKD", outside or name)
    return re.sub(r"[^a-z0-9]", "", "".join(c for c in decomposed if not unicodedata.combining(c)).lower())


def label_of(name: str, known: Sequence[str] = ()) -> str:
    """The label that a folder's or a table's name of a dance means.

    Parameters
    ----------
    name : str
        As 'Cha-Cha-Cha (Latin)', 'wiener walzer', 'hustle'.
    known : sequence of str
        Labels of a model, which come first: 'hustle' is a discofox only where no label says 'hustle'.

    Returns
    -------
    str
        The label; of a dance that nobody knows one made of its name. '' where the name holds no letters.

    Examples
    --------
    >>> label_of("Wiener Walzer"), label_of("Lindy Hop"), label_of("hustle", ["hustle"])
    ('viennese_waltz', 'lindy_hop', 'hustle')
    """
    short = plain(name)
    for label in known:
        if plain(label) == short:
            return label
    if short in FOLDER_NAMES:
        return FOLDER_NAMES[short]
    composed = unicodedata.normalize("NFC", name)  # as some file systems do not keep it
    return "_".join(re.findall(r"[^\W_]+", composed.lower()))
