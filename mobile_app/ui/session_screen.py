"""What the screens about a session have in common: its name, and the kept sound."""

from kivy.uix.screenmanager import Screen

from mobile_app.core.history import Entry
from mobile_app.ui.host import Host
from mobile_app.ui.sound import Player
from mobile_app.ui.widgets import ConfirmSheet, TextSheet


class SessionScreen(Screen):
    """A screen about a session whose sound may be kept.

    Attributes
    ----------
    app : Host
    entry : Entry or None
        The session.
    player : Player
    """

    app: Host
    entry: Entry | None
    player: Player

    def ask_name(self, hint: str) -> None:
        """Ask what the session is to be called."""
        if not self.entry:
            return
        session = self.entry.id

        def done(name: str) -> None:
            self.app.change_history(lambda: self.app.history.rename(session, name), session=session)

        TextSheet(self.entry.name, hint, done, title=self.app.tr("Name")).open()

    def toggle_sound(self) -> None:
        """Play the kept sound, or stop it."""
        if self.entry and not self.player.toggle(self.app.history.audio_path(self.entry.id)):
            self.app.toast(self.app.tr("The sound can't be played on this device."))

    def save_sound(self) -> None:
        """Save the kept sound where the user wants it, under the name that the marks have for it."""
        path = self.app.history.audio_path(self.entry.id) if self.entry else None
        if path:
            self.app.save_file(path.name, "audio/x-wav", path)

    def stop_playing(self) -> None:
        """Stop the sound, if it plays."""
        self.player.stop()

    def delete_sound(self) -> None:
        """Ask, then delete the kept sound only."""
        if not self.entry:
            return
        session, tr = self.entry.id, self.app.tr

        def confirmed() -> None:
            self.player.stop()
            self.app.change_history(lambda: self.app.history.delete_audio(session), session=session)

        ConfirmSheet(
            tr("The result stays, only the sound is deleted."),
            tr("Delete the sound"),
            confirmed,
            title=tr("Delete the sound?"),
        ).open()

    def on_leave(self, *_: object) -> None:
        """The sound stops with the screen."""
        self.player.stop()
