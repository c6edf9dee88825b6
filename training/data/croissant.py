"""Data sheets that machines read: the front matter of a card on Hugging Face, and Croissant's metadata.

Croissant 1.1 (MLCommons, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) is JSON-LD in the
vocabulary of schema.org: what a data set is, the files that it is made of, and the columns of its records.
"""

import datetime
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.data.manifest import Recording, manifest_columns

# Hugging Face's names of licences that material of ours or our users' is likely to have; all else is 'other'.
LICENCES = (
    *("apache-2.0", "mit", "cc0-1.0", "odbl", "gpl-3.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0"),
    *("cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
)
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
NUMBERS = ("start", "end", "tempo_bpm")
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def front_matter(**entries: object) -> list[str]:
    """YAML between two lines of dashes; JSON's values are YAML's."""
    return [
        "---",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in entries.items()),
        "---",
    ]


def licence_entries(licence: str) -> dict[str, str]:
    """How Hugging Face has a licence: by its name there, or 'other' with ours."""
    name = licence.strip().lower().replace(" ", "-")
    return {"license": name} if name in LICENCES else {"license": "other", "license_name": licence}


def of_data_set(name: str, recordings: Sequence[Recording], licence: str) -> list[str]:
    """The front matter of a dataset card."""
    size = next((text for limit, text in SIZES if len(recordings) < limit), "n>1M")
    return front_matter(
        pretty_name=name,
        **licence_entries(licence),
        task_categories=["audio-classification"],
        tags=["music", "dance", "ballroom"],
        size_categories=[size],
    )


def metadata(
    name: str,
    manifest: Path,
    *,
    folder: Path,
    licence: str,
    description: str,
    attributions: Sequence[str] = (),
) -> str:
    """Croissant's JSON-LD of a manifest: the file, and a record set of its rows.

    Parameters
    ----------
    name : str
    manifest : Path
    folder : Path
        Where the metadata are to lie, from which the manifest is named.
    licence : str
    description : str
    attributions : sequence of str
        Whose work is heard in the recordings, a line each.
    """
    content = manifest.read_bytes()
    address = Path(os.path.relpath(manifest, folder)).as_posix()
    written = datetime.datetime.fromtimestamp(manifest.stat().st_mtime, datetime.UTC)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"recordings/{column}",
            "name": column,
            "dataType": "sc:Float" if column in NUMBERS else "sc:Text",
            "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": column}},
        }
        for column in manifest_columns(manifest)
    ]
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "description": " ".join(
            [description or "Recordings labelled with the dance that they are for.", *attributions]
        ),
        "license": licence,
        "url": address,
        "version": "1.0.0",
        "datePublished": written.date().isoformat(),
        "citeAs": f"{name}, labelled dance music, {written.year}",
        "creator": {"@type": "sc:Organization", "name": "stated in the dataset card"},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": manifest.name,
                "contentUrl": address,
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "recordings", "name": "recordings", "field": fields}],
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
