"""Picks a recording where the system has no dialogue of its own: folders and sound files, nothing else."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.metrics import dp
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from mobile_app.ui.glyphs import drawable
from mobile_app.ui.theme import SHEET_HEIGHT
from mobile_app.ui.widgets import Note, Sheet, Touchable
from runtime.formats import SUFFIXES


class FileRow(RecycleDataViewBehavior, Touchable, BoxLayout):
    """A folder or a sound file."""

    text = StringProperty()
    icon = StringProperty()
    path = StringProperty()
    sheet: Any = None

    def refresh_view_attrs(self, view: Any, index: int, data: dict[str, Any]) -> None:
        """Take over what the list says."""
        self.sheet = view.sheet
        super().refresh_view_attrs(view, index, data)

    def on_release(self) -> None:
        """Open the folder, or take the file."""
        self.sheet.choose(Path(self.path))


class FileList(RecycleView):
    """The rows of a folder."""

    sheet: Any = None


class FileSheet(Sheet):
    """Browses folders from `folder` on, and answers with the file that is tapped.

    Parameters
    ----------
    folder : Path
    on_pick : callable
    suffixes : collection of str
        Of the files that are listed; those of sound if not given.
    """

    def __init__(
        self,
        folder: Path,
        on_pick: Callable[[str], None],
        *,
        suffixes: Collection[str] = tuple(SUFFIXES),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._on_pick = on_pick
        self._suffixes = suffixes
        self.path_label = Note()
        self.rows = FileList(size_hint_y=None)
        self.rows.sheet = self
        self.add(self.path_label, self.rows)
        self.add_buttons((self.app.tr("Cancel"), "plain", self.dismiss))
        self._fit = Clock.create_trigger(self.fit, -1)
        self.ids.panel.bind(minimum_height=self._fit)
        self.app.root.bind(height=self._fit)
        self.fit()
        self.show(folder)

    def fit(self, *_: object) -> None:
        """Give the list the height that the other parts leave."""
        others = self.ids.panel.minimum_height - self.rows.height
        self.rows.height = max(dp(104), SHEET_HEIGHT * self.app.root.height - others)

    def show(self, folder: Path) -> None:
        """List a folder: the way up, folders, then sound files."""
        try:
            inside = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
        except OSError:
            self.app.toast(self.app.tr("This folder can't be opened."))
            return
        self.folder = folder
        self.path_label.text = drawable(str(folder))
        visible = [path for path in inside if not path.name.startswith(".")]
        folders = [path for path in visible if path.is_dir()]
        files = [path for path in visible if path.suffix.lower() in self._suffixes and path.is_file()]
        up = [{"text": self.app.tr("One folder up"), "icon": "up", "path": str(folder.parent)}]
        self.rows.data = (
            (up if folder.parent != folder else [])
            + [{"text": drawable(path.name), "icon": "folder", "path": str(path)} for path in folders]
            + [{"text": drawable(path.name), "icon": "note", "path": str(path)} for path in files]
        )
        self.rows.scroll_y = 1

    def choose(self, path: Path) -> None:
        """A row was tapped."""
        if path.is_dir():
            self.show(path)
        else:
            self.dismiss()
            self._on_pick(str(path))
