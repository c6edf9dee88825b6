"""A computer's microphone, through sounddevice and PortAudio, which are imported when it is opened.

Some drivers refuse one channel, or the rate that they give as their own: others are tried.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runtime.downmix import Downmix
from runtime.errors import AudioError
from runtime.mel import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Float32

BLOCK_SECONDS = 0.1
USUAL_RATES = (44_100, 48_000, 32_000, 22_050, 16_000, 96_000)  # Hz, where a device refuses its own


class MicrophoneError(AudioError):
    """There is no microphone, or it cannot be opened.

    Attributes
    ----------
    busy : bool
        Whether another program has it.
    missing : bool
        Whether what it is opened with is not installed.
    """

    def __init__(self, message: str, *, busy: bool = False, missing: bool = False) -> None:
        super().__init__(message)
        self.busy = busy
        self.missing = missing


class Microphone:
    """An input device, open from `start` to `close`.

    Parameters
    ----------
    device : str, optional
        Number or part of the name of an input device; the system's choice if None.
    on_block : callable
        Called in the sound card's thread with mono samples, shape (n_samples,), float32; a copy.
    on_end : callable
        Called from another thread where the device is gone; not by `close`.
    rescan : bool
        Look for devices anew: PortAudio lists them when it starts, and knows no headset plugged in since.

    Attributes
    ----------
    sample_rate : int
        Hz.

    Raises
    ------
    MicrophoneError
        If sounddevice or PortAudio is missing, or no device can be opened.
    """

    def __init__(
        self,
        device: str | None = None,
        *,
        on_block: Callable[[Float32], None],
        on_end: Callable[[], None] = lambda: None,
        rescan: bool = False,
    ) -> None:
        try:
            import sounddevice
        except ImportError as error:
            message = "the microphone needs sounddevice: pip install 'whichdance[mic]'"
            raise MicrophoneError(message, missing=True) from error
        except OSError as error:  # sounddevice found no PortAudio
            message = f"the microphone needs PortAudio ({error}); install your system's portaudio"
            raise MicrophoneError(message, missing=True) from error

        self._closing = False
        downmix = Downmix()

        def heard(data: Float32, *_: Any) -> None:
            on_block(downmix(data.copy()))  # the sound card's thread reuses its buffer

        def finished() -> None:
            if not self._closing:
                on_end()

        refused = (sounddevice.PortAudioError, ValueError)  # ValueError: there is no such device
        number_or_name = int(device) if device is not None and device.isdecimal() else device
        try:
            if rescan:
                sounddevice._terminate()
                sounddevice._initialize()
            offered = sounddevice.query_devices(number_or_name, "input")
        except refused as error:
            raise _unopened(error) from error
        first: Exception | None = None
        for sample_rate, channels in ways_to_open(offered):
            try:
                self._stream = sounddevice.InputStream(
                    samplerate=sample_rate,
                    blocksize=round(BLOCK_SECONDS * sample_rate),
                    device=number_or_name,
                    channels=channels,
                    dtype="float32",
                    callback=heard,
                    finished_callback=finished,
                )
                self.sample_rate = sample_rate
                return
            except refused as error:
                first = first or error
        raise _unopened(first)

    def start(self) -> None:
        """Blocks come from now on; MicrophoneError where the device refuses."""
        import sounddevice

        try:
            self._stream.start()
        except sounddevice.PortAudioError as error:
            self.close()
            raise _unopened(error) from error

    def close(self) -> None:
        """Give the device back."""
        self._closing = True
        self._stream.close()


def _unopened(error: Exception | None) -> MicrophoneError:
    busy = any(word in str(error).lower() for word in ("unavailable", "busy"))
    return MicrophoneError(f"no microphone can be opened ({error})", busy=busy)


def ways_to_open(offered: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Sampling rates and numbers of channels to ask a device for, the likeliest first.

    Parameters
    ----------
    offered : mapping
        What `sounddevice.query_devices` says of it.
    """
    most = int(offered["max_input_channels"])
    rates = dict.fromkeys([int(offered["default_samplerate"]), *USUAL_RATES])
    for rate in rates:
        if MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            for channels in sorted({1, min(2, most), most}):
                yield rate, channels
