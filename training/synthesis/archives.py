"""Archives of what people played and wrote, as the public gets them."""

import zipfile
from pathlib import Path

from runtime.errors import WhichdanceError

LARGEST = 64 << 20  # bytes that a member of an archive may hold


class ArchiveError(WhichdanceError):
    """An archive of human playing is missing, or is not what it should be."""


def open_archive(path: Path, what: str) -> zipfile.ZipFile:
    """Open one of the archives.

    Parameters
    ----------
    path : Path
    what : str
        Which one it should be, and where the public gets it: for the error.

    Raises
    ------
    ArchiveError
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise ArchiveError(f"{path}: not there; it should be the {what}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{path}: cannot be read as a ZIP archive ({error}); get the {what}") from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of one file in it.

    Raises
    ------
    ArchiveError
        If it is missing, damaged, or larger than anything these archives hold.
    """
    try:
        if archive.getinfo(name).file_size > LARGEST:
            raise ArchiveError(f"{archive.filename}: {name} is larger than {LARGEST >> 20} MiB")
        return archive.read(name)
    except (KeyError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        raise ArchiveError(
            f"{archive.filename}: {name} cannot be read ({error}); download the archive again"
        ) from error
    except zipfile.zlib.error as error:  # type: ignore[attr-defined]
        raise ArchiveError(f"{archive.filename}: {name} is damaged; download the archive again") from error
