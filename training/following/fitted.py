"""Evidence that was fitted to how an exported file hears, as a file beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runtime.atomic import replacing
from runtime.errors import WhichdanceError
from runtime.evidence import EvidenceSettings
from runtime.model import group_temperatures_of

GROUPS = "group_temperatures"  # the metadata field


@dataclass(frozen=True)
class FittedEvidence:
    """What an exported model says of its evidence.

    Attributes
    ----------
    settings : EvidenceSettings
    group_temperatures : mapping of str to (float, float)
        As in `runtime.model.ModelInfo`.
    """

    settings: EvidenceSettings
    group_temperatures: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """Metadata of a model file."""
        groups = {group: list(pair) for group, pair in self.group_temperatures.items()}
        return {
            "evidence": json.dumps(asdict(self.settings)),
            **({GROUPS: json.dumps(groups)} if groups else {}),
        }

    def write(self, path: Path) -> None:
        """As JSON of these fields."""
        content = {name: json.loads(text) for name, text in self.fields.items()}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "FittedEvidence":
        """What `write` wrote; parameters alone, without groups, are taken too.

        Raises
        ------
        WhichdanceError
            If it is neither.
        """
        try:
            content = json.loads(path.read_text())
            whole = isinstance(content, dict) and "evidence" in content
            settings = EvidenceSettings.from_json(json.dumps(content["evidence"] if whole else content))
            groups = content.get(GROUPS) or {} if whole else {}
        except (OSError, ValueError, OverflowError, RecursionError) as error:
            raise WhichdanceError(
                f"{path}: cannot be read as parameters of the evidence model ({error})"
            ) from error
        return cls(settings, group_temperatures_of(path, json.dumps(groups)))
