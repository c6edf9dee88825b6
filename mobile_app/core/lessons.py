"""What a beginner listens for in each dance: the count, its rhythm in beats, and one sentence."""

from dataclasses import dataclass

from mobile_app.core.translations import mark
from runtime.counts import COUNTS
from runtime.dances import Dance

SLOW, QUICK, TAP = mark("slow"), mark("quick"), mark("tap")  # of the counts


@dataclass(frozen=True)
class Guide:
    """How to recognise and count one dance.

    Attributes
    ----------
    count : tuple of (str, float)
        What dancers say, and for how many beats.
    listen : str
        What to listen for.
    feel : str
        What it feels like.
    """

    count: tuple[tuple[str, float], ...]
    listen: str
    feel: str

    @property
    def beats(self) -> float:
        """Length of the count in beats."""
        return sum(beats for _, beats in self.count)


LESSONS: dict[str, Guide] = {
    "cha_cha_cha": Guide(
        COUNTS["cha_cha_cha"],
        mark("Listen for “cha-cha-cha”: two short beats and a long one, at the end of every bar."),
        mark("Cheeky and crisp. Dancers start on the second beat."),
    ),
    "jive": Guide(
        COUNTS["jive"],
        mark("Listen for fast swing or rock'n'roll with a strong clap on two and four."),
        mark("Bouncy and full of energy, with kicks and flicks."),
    ),
    "paso_doble": Guide(
        COUNTS["paso_doble"],
        mark("Listen for a Spanish march: one, two, one, two, with trumpets and drum rolls."),
        mark("Proud and dramatic, like entering the bullring."),
    ),
    "quickstep": Guide(
        COUNTS["quickstep"],
        mark("Listen for fast, light swing, as from a big band: the bass walks four beats to the bar."),
        mark("It runs, hops and glides across the floor."),
    ),
    "rumba": Guide(
        COUNTS["rumba"],
        mark("Listen for a slow, soft beat with bongos or a ballad over it. Dancers step on two."),
        mark("The dance of love: unhurried, with much time on “four-one”."),
    ),
    "samba": Guide(
        COUNTS["samba"],
        mark("Listen for “boom-a-boom”: a rolling bass drum under busy shakers and whistles."),
        mark("Carnival! The whole body bounces."),
    ),
    "slow_foxtrot": Guide(
        COUNTS["slow_foxtrot"],
        mark("Listen for calm, easy swing, as from a crooner: slow steps over a soft bass."),
        mark("Smooth and endless: it flows without a stop."),
    ),
    "slow_waltz": Guide(
        COUNTS["slow_waltz"],
        mark("Listen for three: one deep beat and two light ones, slow enough to say “one, two, three”."),
        mark("Rises and falls like a slow swing."),
    ),
    "tango": Guide(
        COUNTS["tango"],
        mark("Listen for a sharp, marching beat without any drum kit: strings, bandoneon, sudden stops."),
        mark("Sharp and stalking, with sudden turns of the head."),
    ),
    "viennese_waltz": Guide(
        COUNTS["viennese_waltz"],
        mark("Listen for three that fly by: “ONE-two-three”, twice as fast as the slow waltz."),
        mark("Turns and turns, as at a ball in Vienna."),
    ),
    "bachata": Guide(
        COUNTS["bachata"],
        mark("Listen for bright plucked guitars and bongos: three steps, and a tap on four."),
        mark("Close and playful, from side to side."),
    ),
    "salsa": Guide(
        COUNTS["salsa"],
        mark("Listen for congas, piano and a cowbell, busy and fast: “quick, quick, slow”."),
        mark("Sparkling, with turn after turn."),
    ),
    "merengue": Guide(
        COUNTS["merengue"],
        mark("Listen for a fast march of two beats, with a metal scraper, saxophones or an accordion."),
        mark("A step on every beat, and the hips follow."),
    ),
    "west_coast_swing": Guide(
        COUNTS["west_coast_swing"],
        mark("Listen for blues, soul or pop at an easy pace, with a clap on two and four."),
        mark("Stretchy and cool, along one line."),
    ),
    "discofox": Guide(
        COUNTS["discofox"],
        mark("Listen for disco, pop or Schlager: the bass drum is on all four beats."),
        mark("Light and turning: two steps and a tap."),
    ),
    "nightclub_two_step": Guide(
        COUNTS["nightclub_two_step"],
        mark("Listen for a slow ballad with a soft drum on two and four."),
        mark("Dreamy: it rocks from side to side."),
    ),
    "country_two_step": Guide(
        COUNTS["country_two_step"],
        mark("Listen for brisk country music with fiddle and steel guitar: the bass goes “boom-chick”."),
        mark("It travels around the floor without a stop."),
    ),
    "polka": Guide(
        COUNTS["polka"],
        mark("Listen for a fast “oom-pah” of two beats, with accordion or brass."),
        mark("Hops and turns until you are out of breath."),
    ),
    "zouk": Guide(
        COUNTS["zouk"],
        mark("Listen for a slow beat that limps: “boom, chick-chick”, under soft electronic sounds."),
        mark("Long waves run through the whole body."),
    ),
    "cumbia": Guide(
        COUNTS["cumbia"],
        mark("Listen for a scraper at an easy gallop: “chi, chi-chi”, with accordion and a steady bass."),
        mark("Small steps, round and round."),
    ),
}


def beats_per_minute(dance: Dance) -> float:
    """Beats per minute in the middle of a dance's usual tempo; 0 where that is not known."""
    if dance.mpm_min is None or dance.mpm_max is None or dance.beats_per_bar is None:
        return 0.0
    return (dance.mpm_min + dance.mpm_max) / 2 * dance.beats_per_bar
