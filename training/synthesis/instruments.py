"""Names that the style files use for instruments, and what they mean in General MIDI.

Program and percussion note numbers are those of the General MIDI 1 specification, programs counted from 0.
"""

# family -> General MIDI programs that can play the part; one is drawn per recording
FAMILIES: dict[str, tuple[int, ...]] = {
    "piano": (0, 1, 2, 3),
    "electric_piano": (4, 5, 2),
    "mallets": (9, 11, 12, 13, 14),
    "organ": (16, 17, 18, 19),
    "accordion": (21,),
    "bandoneon": (23, 21),
    "harmonica": (22,),
    "nylon_guitar": (24,),
    "guitar": (24, 25, 26, 27, 28),
    "steel_guitar": (25,),
    "electric_guitar": (26, 27, 28),
    "distorted_guitar": (29, 30),
    "double_bass": (32,),
    "electric_bass": (33, 34, 35, 36),
    "synth_bass": (38, 39),
    "violin": (40,),
    "solo_strings": (40, 41, 42),
    "strings": (48, 49, 50, 51, 44),
    "pizzicato": (45,),
    "harp": (46,),
    "choir": (52, 53, 54),
    "trumpet": (56, 59),
    "trombone": (57,),
    "tuba": (58,),
    "horns": (60, 61),
    "brass": (61, 56, 57, 60, 62, 63),
    "sax": (64, 65, 66, 67),
    "oboe": (68, 69),
    "clarinet": (71,),
    "reeds": (68, 69, 70, 71),
    "flute": (72, 73, 74, 75, 78),
    "synth_lead": (80, 81, 82, 83, 84, 85, 86, 87),
    "pad": (88, 89, 90, 91, 92, 93, 94, 95),
    "banjo": (105,),
    "fiddle": (110, 40),
    "bagpipe": (109,),
    "steel_drums": (114,),
}
VOICE = "voice"  # sung by `voice`, not played from a soundfont

# name -> General MIDI percussion note
PERCUSSION: dict[str, int] = {
    "kick": 36,
    "bass_drum": 35,
    "snare": 38,
    "electric_snare": 40,
    "side_stick": 37,
    "clap": 39,
    "hat": 42,
    "pedal_hat": 44,
    "open_hat": 46,
    "ride": 51,
    "ride_bell": 53,
    "crash": 49,
    "splash": 55,
    "cymbals": 57,
    "low_tom": 43,
    "floor_tom": 41,
    "mid_tom": 47,
    "high_tom": 50,
    "tambourine": 54,
    "cowbell": 56,
    "high_bongo": 60,
    "low_bongo": 61,
    "mute_conga": 62,
    "open_conga": 63,
    "low_conga": 64,
    "high_timbale": 65,
    "low_timbale": 66,
    "high_agogo": 67,
    "low_agogo": 68,
    "cabasa": 69,
    "maracas": 70,
    "guiro": 73,
    "long_guiro": 74,
    "claves": 75,
    "high_woodblock": 76,
    "low_woodblock": 77,
    "mute_cuica": 78,
    "open_cuica": 79,
    "triangle": 81,
    "shaker": 82,
    "castanets": 85,
    "mute_surdo": 86,
    "open_surdo": 87,
}

# Roland GS drum kits: standard, room, power, electronic, TR-808, jazz, brush, orchestra
DRUM_KITS: tuple[int, ...] = (0, 8, 16, 24, 25, 32, 40, 48)

# Genres of human drum performances (`grooves`)
GENRES = (
    "afrobeat", "afrocuban", "blues", "country", "dance", "funk", "gospel", "highlife", "hiphop", "jazz",
    "latin", "middleeastern", "neworleans", "pop", "punk", "reggae", "rock", "soul",
)  # fmt: skip
