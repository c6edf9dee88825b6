"""What the first screen shows of a session, in words and numbers; it always exists."""

from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, OptionProperty, StringProperty

from mobile_app.core.lessons import LESSONS
from mobile_app.core.session import Session, Snapshot, State
from mobile_app.core.spoken import ADVICE, GRADES, KINDS, certainty
from mobile_app.ui.look import Look
from runtime.answer import Answer, clock, grade
from runtime.dances import WDSF, dance


class Shown(EventDispatcher):
    """Filled from a session's snapshot, read by listen.kv.

    `mode` says what is shown: the button alone, a session that goes on, one that waits, or a result.
    """

    mode = OptionProperty("idle", options=["idle", "running", "paused", "done"])
    file_name = StringProperty()  # '' for the microphone
    progress = NumericProperty(0)
    banner = StringProperty()
    serious = BooleanProperty(False)
    settings_help = BooleanProperty(False)
    certainty = StringProperty()
    answer = StringProperty()
    hint = StringProperty()
    closest = (
        StringProperty()
    )  # 'or Samba?' where it is none of these, 'or none of these?' where that is less likely
    second = StringProperty()  # '' but where it is one of two
    second_hint = StringProperty()
    second_percent = StringProperty()
    second_confidence = NumericProperty(0)
    second_color = ColorProperty("#888888")
    percent = StringProperty()
    confidence = NumericProperty(0)
    color = ColorProperty("#888888")
    advice = StringProperty()
    advice_kind = OptionProperty("muted", options=["muted", "good", "warn"])
    level = NumericProperty(0)
    elapsed = StringProperty()
    tempo = StringProperty()
    fill = NumericProperty(0)
    danced = StringProperty()  # what is danced here
    question = StringProperty()  # '' where there is nothing to confirm
    can_confirm = BooleanProperty(False)
    answered = BooleanProperty(False)
    tellable = BooleanProperty(False)  # it plays, and the user may say what it is
    still = BooleanProperty(False)  # nothing is to move or to light up

    def fill_from(self, session: Session | None, look: Look, *, settings_help: bool = False) -> None:
        """Show a session as it is now.

        Parameters
        ----------
        session : Session or None
        look : Look
        settings_help : bool
            Whether only the system's settings help.
        """
        snapshot = session.snapshot if session else Snapshot()
        heard = session is not None and len(session.timeline) > 0
        modes = {State.IDLE: "idle", State.STARTING: "running", State.LISTENING: "running"}
        modes |= {State.PAUSED: "paused", State.FINISHED: "done" if heard else "idle"}
        self.mode = modes[snapshot.state]
        self.file_name = session.source_name if session and not session.live else ""
        self.progress = snapshot.progress or 0
        told = snapshot.problem or snapshot.notice
        self.banner = look.tr(told.sentence) if told else ""
        self.serious = snapshot.problem is not None
        self.settings_help = settings_help
        self._answer(snapshot, look)
        self._level(snapshot, look)

    def _answer(self, snapshot: Snapshot, look: Look) -> None:
        tr, answer = look.tr, snapshot.answer
        over = snapshot.state is State.FINISHED
        if over and len(snapshot.lines) == 1 and (line := snapshot.lines[0]).dance:
            # What was heard, not what the last seconds sounded like.
            sure = grade(line.confidence, line.end - line.start)
            answer = Answer("dance", (line.dance,), None, line.confidence, (line.confidence,), sure)
        each = answer.confidences or (answer.confidence,)
        self.confidence = each[0] if answer.dances or answer.kind == "none" else 0
        self.percent = tr.percent(self.confidence) if self.confidence else ""
        self.color = look.dance_colour(answer.dances[0] if answer.dances else None)
        self.second, self.closest = "", ""
        if over and len(snapshot.lines) > 1:
            self._evening(snapshot, look)
        elif answer.kind == "two":
            self._two(answer, look)
        elif answer.dances:
            self.certainty, self.answer = tr(certainty(answer)), look.dances(answer.dances)
            self.hint = facts(answer.dance, look)
        elif answer.leaning and answer.closest and snapshot.prediction:
            self.certainty, self.answer = tr(GRADES["could be"]), look.dance_name(answer.closest)
            self.confidence = float(snapshot.prediction.scores[answer.closest])
            self.percent = tr.percent(self.confidence)
            self.color = look.dance_colour(answer.closest)
            self.closest, self.hint = tr("or none of these?"), counted(answer.closest or "", look)
        elif answer.kind == "none":
            self.certainty, self.answer = "", look.dance_name("other")
            self.closest = tr("or {dance}?", dance=look.dance_name(answer.closest)) if answer.closest else ""
            self.hint = tr("This is none of the dances that the app knows.")
        elif answer.kind == "not sure":
            self.certainty = "" if over else tr("Still listening…")
            self.answer, self.hint = tr("Not sure"), tr("None of the dances stands out.")
            if answer.closest:
                self.hint = tr("Closest: {dance}", dance=look.dance_name(answer.closest))
        elif answer.kind == "silence":
            self.certainty, self.answer = "", tr("Silence") if over else tr("Listening…")
            self.hint = tr(KINDS["silence"])
        else:
            self.certainty, self.answer = "", "" if over else tr("Listening…")
            self.hint = tr("Hold the phone up to the music. The first answer takes about six seconds.")

    def _two(self, answer: Answer, look: Look) -> None:
        """Either of two: both with percentage and count, so that a dancer can decide."""
        first, second = answer.dances
        self.certainty = look.tr("One of the two")
        self.answer, self.hint = look.dance_name(first), counted(first, look)
        self.second, self.second_hint = look.dance_name(second), counted(second, look)
        self.second_confidence = answer.confidences[1]
        self.second_percent = look.tr.percent(self.second_confidence)
        self.second_color = look.dance_colour(second)

    def _evening(self, snapshot: Snapshot, look: Look) -> None:
        """A session of several dances is over: how many, not the last one."""
        count = len(snapshot.lines)
        self.answer = look.tr.plural("{count} dance", "{count} dances", count)
        self.certainty = look.tr("Your set list")
        self.hint = clock(int(snapshot.elapsed))
        self.confidence, self.percent = 0, ""

    def _level(self, snapshot: Snapshot, look: Look) -> None:
        advice = snapshot.level.advice
        self.advice = look.tr(ADVICE[advice])
        self.advice_kind = {"good": "good", "wait": "muted"}.get(advice, "warn")
        self.level = snapshot.level.fraction
        self.elapsed = clock(int(snapshot.elapsed))
        tempo = snapshot.tempo_mpm
        self.tempo = look.tr("{tempo} bars a minute", tempo=round(tempo)) if tempo else ""
        waiting = snapshot.state is State.LISTENING and not snapshot.prediction and snapshot.first_after
        self.fill = min(1.0, snapshot.elapsed / snapshot.first_after) if waiting else 0


def counted(key: str, look: Look) -> str:
    """How dancers count a dance, in one line; its metre where no lesson says."""
    if key in LESSONS:
        return " ".join(look.tr(syllable) for syllable, _ in LESSONS[key].count)
    metre = dance(key).metre
    return str(look.tr("{metre} time", metre=metre)) if metre else ""


def facts(key: str | None, look: Look) -> str:
    """Metre and usual tempo of a dance, in words; '' where they are not known."""
    found = dance(key) if key else None
    if found is None or found.metre is None or found.mpm_min is None or found.mpm_max is None:
        return ""
    usual = {"metre": found.metre, "low": round(found.mpm_min), "high": round(found.mpm_max)}
    # Party music is often faster or slower: the measured tempo beside it must not look like a mistake.
    if found.source == WDSF:
        return str(look.tr("{metre} time, {low}–{high} bars a minute in competitions", **usual))
    return str(look.tr("{metre} time, usually {low}–{high} bars a minute", **usual))
