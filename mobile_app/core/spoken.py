"""The words of answers and of the level meter; their meaning is that of `runtime.answer` and `.live`."""

from mobile_app.core.translations import mark
from runtime.answer import Answer

GRADES = {"could be": mark("Could be"), "probably": mark("Probably"), "quite sure": mark("Quite sure")}
KINDS = {
    "not yet": mark("Listening…"),
    "silence": mark("No music to be heard"),
    "not sure": mark("Not sure"),
    "none": mark("None of these"),
}
ADVICE = {
    "wait": mark("Waiting for sound"),
    "good": mark("Good level"),
    "quiet": mark("Too quiet: go nearer to the music"),
    "clipping": mark("Clipping: too loud, go further away"),
    "silent": mark("Silence: is the microphone covered or muted?"),
}


def certainty(answer: Answer) -> str:
    """What stands above the dances: how sure they are; else what there is instead of them."""
    return GRADES[answer.certainty] if answer.certainty else KINDS[answer.kind]
