"""One contract for every adapter: desktop, file, and Android's against Java stubs."""

import os
import shutil
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from mobile_app.core.interfaces import AudioSource, Permission, System
from mobile_app.core.problems import Problem, SourceError
from mobile_app.core.ring import RingBuffer, Samples
from mobile_app.devices import android, desktop
from mobile_app.devices.file_source import FileSource
from runtime import LiveClassifier, Model, ModelError
from runtime.beat_activations import BeatModel, shipped_beats
from runtime.mel import Float32
from runtime.model import InferenceEngine, ModelInfo, OnnxEngine
from tests.conftest import ModelMaker, ToneMaker
from tests.mobile_app.conftest import OWN_PROCESS

Java = Callable[[str], object]
RING_SECONDS = 4


class Listener:
    """What a session does with a source: gives it a ring, reads it, waits for the end."""

    def __init__(self, source: AudioSource) -> None:
        self.source = source
        self.ring: RingBuffer | None = None
        self.ends: list[SourceError | None] = []
        self.ended = threading.Event()

    def start(self) -> None:
        def ring(sample_rate: int) -> RingBuffer:
            assert self.ring is None, "the ring is asked for once"
            self.ring = RingBuffer(RING_SECONDS * sample_rate)
            return self.ring

        def on_end(error: SourceError | None) -> None:
            self.ends.append(error)
            self.ended.set()

        self.source.start(ring, on_end)
        assert self.ring is not None

    def read(self, seconds: float) -> Samples:
        """The next seconds of sound, or all that is left where the source has ended."""
        assert self.ring is not None
        wanted, parts = round(seconds * self.source.sample_rate), []
        give_up = time.monotonic() + 20
        while wanted > 0 and time.monotonic() < give_up:
            part, _ = self.ring.read(min(wanted, 1000), timeout=0.3)
            parts.append(part)
            wanted -= len(part)
            if self.ended.is_set() and not len(self.ring):
                break
        return np.concatenate(parts)


# Audio sources: every one of them hears a tone of 441 Hz at half of full scale


class FakeSoundDevice(types.ModuleType):
    """PortAudio as sounddevice shows it, ten times as fast as real time."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.failure: Exception | None = None
        self.rates = {44_100}
        self.channels = 1
        self.streams: list[object] = []
        module = self

        class InputStream:
            def __init__(self, *, samplerate: int, channels: int, blocksize: int, **rest: object) -> None:
                if module.failure:
                    raise module.failure
                if samplerate not in module.rates:
                    raise module.PortAudioError("Invalid sample rate")
                if channels != module.channels:
                    raise module.PortAudioError("Invalid number of channels")
                assert rest["dtype"] == "float32"
                self.rate, self.size, self.rest = samplerate, blocksize, rest
                self.stopped = threading.Event()
                module.streams.append(self)

            def start(self) -> None:
                threading.Thread(target=self.run, daemon=True).start()

            def run(self) -> None:
                at = 0
                while not self.stopped.wait(0.01):
                    block = tone_441(self.rate, at, self.size)[:, None]
                    if module.channels == 2:  # one of them wired the wrong way round
                        block = np.concatenate([block, -block], axis=1)
                    self.rest["callback"](block, self.size, None, None)  # type: ignore[operator]
                    at += self.size
                self.rest["finished_callback"]()  # type: ignore[operator]

            def unplug(self) -> None:
                self.stopped.set()

            def close(self) -> None:
                self.stopped.set()

        self.InputStream = InputStream

    def query_devices(self, device: str | None, kind: str) -> dict[str, float]:
        assert (device, kind) == (None, "input")
        if self.failure and isinstance(self.failure, ValueError):
            raise self.failure
        return {"default_samplerate": 44_100.0, "max_input_channels": self.channels}

    def _terminate(self) -> None: ...

    def _initialize(self) -> None: ...


def tone_441(rate: int, start: int, count: int) -> Samples:
    time = np.arange(start, start + count) / rate
    return (0.5 * np.sin(2 * np.pi * 441 * time)).astype(np.float32)


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone_441(44_100, 0, 44_100 * 6), 44_100, subtype="PCM_16")
    return path


SOURCES = ("microphone", "file", "file at a pace", "android microphone", "android decoder")


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, recording: Path) -> Iterator[AudioSource]:
    kind = request.param
    if kind.startswith("android"):
        java = request.getfixturevalue("java")
        java("android.media.AudioRecord").mode = "works"
    if kind == "microphone":
        request.getfixturevalue("sounddevice")
    made: dict[str, Callable[[], AudioSource]] = {
        "microphone": desktop.Microphone,
        "file": lambda: FileSource(str(recording)),
        "file at a pace": lambda: FileSource(str(recording), speed=20.0),
        "android microphone": android.Microphone,
        "android decoder": lambda: android.Decoder(str(recording)),
    }
    source = made[kind]()
    yield source
    source.stop()


def test_source_delivers_the_sound(source: AudioSource) -> None:
    listener = Listener(source)
    listener.start()
    heard = listener.read(2.0)
    assert source.sample_rate == 44_100
    assert heard.dtype == np.float32
    assert len(heard) == 2 * 44_100
    np.testing.assert_allclose(np.abs(heard).max(), 0.5, atol=0.01)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() / 2.0 == pytest.approx(441, abs=1)
    progress = source.progress()
    assert progress is None or 0 < progress <= 1


def test_source_is_quiet_after_stop(source: AudioSource) -> None:
    listener = Listener(source)
    listener.start()
    listener.read(0.5)
    source.stop()
    assert listener.ring is not None
    held = len(listener.ring)
    time.sleep(0.1)
    assert len(listener.ring) == held
    assert listener.ends == []
    source.stop()  # once more does no harm


def test_source_may_be_stopped_before_it_starts(source: AudioSource) -> None:
    source.stop()


@pytest.mark.parametrize("source", ["file", "file at a pace", "android decoder"], indirect=True)
def test_recording_ends(source: AudioSource) -> None:
    listener = Listener(source)
    listener.start()
    heard = listener.read(100)
    listener.ended.wait(5)
    assert listener.ends == [None]
    assert len(heard) == 6 * 44_100
    assert source.progress() == 1.0


@pytest.mark.parametrize("kind", [FileSource, android.Decoder])
def test_unreadable_file(kind: type, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if kind is android.Decoder:
        request.getfixturevalue("java")
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear all, this is not music.")
    for path in (letter, tmp_path / "missing.wav"):
        source = kind(str(path))
        with pytest.raises(SourceError) as caught:
            Listener(source).start()
        assert caught.value.problem is Problem.FILE_UNREADABLE
        source.stop()


def test_stereo_is_mixed_and_content_uris_are_read(java: Java, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = tone_441(44_100, 0, 44_100)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 44_100, subtype="PCM_16")
    listener = Listener(android.Decoder(f"content:{path}"))
    listener.start()
    np.testing.assert_allclose(listener.read(10), left / 2, atol=1e-4)


def test_android_takes_the_decoders_word_for_the_format(java: Java, tmp_path: Path) -> None:
    """HE-AAC: the track states half of the rate and one channel, the decoder gives twice that, of floats."""
    path = tmp_path / "he-aac.wav"
    soundfile.write(path, tone_441(22_050, 0, 22_050), 22_050, subtype="PCM_16")
    codec = java("android.media.MediaCodec")
    codec.mode = "HE-AAC"  # type: ignore[attr-defined]
    try:
        listener = Listener(android.Decoder(str(path)))
        listener.start()
        assert listener.source.sample_rate == 44_100
        heard = listener.read(10)
    finally:
        codec.mode = "as the track"  # type: ignore[attr-defined]
    assert len(heard) == 44_100  # one second
    np.testing.assert_allclose(heard[::2], tone_441(22_050, 0, 22_050), atol=1e-4)


def test_a_desktop_s_microphone_in_antiphase_is_heard(sounddevice: FakeSoundDevice) -> None:
    sounddevice.channels = 2
    listener = Listener(desktop.Microphone())
    listener.start()
    heard = listener.read(10)
    listener.source.stop()
    np.testing.assert_allclose(heard[:44_100], tone_441(44_100, 0, 44_100), atol=1e-6)


def test_microphone_of_a_desktop(sounddevice: FakeSoundDevice) -> None:
    sounddevice.rates = {48_000}
    microphone = desktop.Microphone()
    listener = Listener(microphone)
    listener.start()
    assert microphone.sample_rate == 48_000
    sounddevice.streams[-1].unplug()  # type: ignore[attr-defined]
    assert listener.ended.wait(5)
    assert listener.ends[0] is not None
    assert listener.ends[0].problem is Problem.MICROPHONE_LOST
    microphone.stop()
    for failure, problem in (
        (FakeSoundDevice.PortAudioError("Device unavailable [PaErrorCode -9985]"), Problem.MICROPHONE_TAKEN),
        (FakeSoundDevice.PortAudioError("Invalid device"), Problem.NO_MICROPHONE),
        (ValueError("No input device matching"), Problem.NO_MICROPHONE),
    ):
        sounddevice.failure = failure
        with pytest.raises(SourceError) as caught:
            Listener(desktop.Microphone()).start()
        assert caught.value.problem is problem


def test_a_desktop_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SourceError) as caught:
        Listener(desktop.Microphone()).start()
    assert caught.value.problem is Problem.NO_MICROPHONE


@pytest.mark.parametrize(
    ("mode", "problem"), [("taken", Problem.MICROPHONE_TAKEN), ("broken", Problem.NO_MICROPHONE)]
)
def test_android_microphone_that_cannot_start(java: Java, mode: str, problem: Problem) -> None:
    record = java("android.media.AudioRecord")
    record.mode = mode  # type: ignore[attr-defined]
    with pytest.raises(SourceError) as caught:
        Listener(android.Microphone()).start()
    assert caught.value.problem is problem
    assert record.open == 0  # type: ignore[attr-defined]


def test_android_microphone_unplugged(java: Java) -> None:
    record = java("android.media.AudioRecord")
    record.mode = "unplugged"  # type: ignore[attr-defined]
    listener = Listener(android.Microphone())
    listener.start()
    assert listener.ended.wait(5)
    assert listener.ends[0] is not None
    assert listener.ends[0].problem is Problem.MICROPHONE_LOST
    listener.source.stop()
    assert record.open == 0  # type: ignore[attr-defined]


def test_android_prefers_unprocessed_sound(java: Java) -> None:
    manager = java("android.media.AudioManager")
    for supported, source in (("true", 9), (None, 6), ("false", 6)):
        manager.unprocessed = supported  # type: ignore[attr-defined]
        assert android.audio_source() == source
    manager.unprocessed = "true"  # type: ignore[attr-defined]


# Inference engines


@pytest.fixture(params=["onnxruntime", "android"])
def engine(request: pytest.FixtureRequest, tiny_model: Path) -> InferenceEngine:
    if request.param == "onnxruntime":
        return OnnxEngine(tiny_model, threads=1)
    request.getfixturevalue("java")
    describe(tiny_model)
    return android.OrtEngine(tiny_model)


def describe(path: Path) -> None:
    """Write a model's metadata where the Java stub finds them."""
    fields = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    lines = (f"{key}={value}" for key, value in fields.items())
    Path(f"{path}.properties").write_text("\n".join(lines), encoding="utf-8")


def test_engine_describes_its_model(engine: InferenceEngine) -> None:
    info = ModelInfo.from_metadata("tiny.onnx", engine.metadata)  # type: ignore[attr-defined]
    assert (info.name, info.segment_frames, info.reject_threshold) == ("tiny", 224, None)


@pytest.mark.parametrize("n", [1, 3])
def test_engines_agree(engine: InferenceEngine, tiny_model: Path, n: int) -> None:
    batch = np.random.default_rng(n).gamma(0.3, size=(n, 1, 224, 224)).astype(np.float32)
    strided = np.repeat(batch, 2, axis=3)[..., ::2]  # a view, as the front end makes them
    scores = engine.run(strided)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, OnnxEngine(tiny_model).run(batch), atol=1e-5)


def test_engine_serves_the_runtime(engine: InferenceEngine, tone: ToneMaker) -> None:
    info = ModelInfo.from_metadata("tiny.onnx", engine.metadata)  # type: ignore[attr-defined]
    live = LiveClassifier(22_050, model=Model(info, engine))
    prediction = live.push(tone("paso_doble", 8.0))
    assert prediction is not None
    assert prediction.dance == "paso_doble"


@pytest.mark.parametrize("kind", ["onnxruntime", "android"])
def test_engines_serve_a_model_that_hears_longer_windows(
    kind: str, request: pytest.FixtureRequest, make_tiny_model: ModelMaker, tone: ToneMaker
) -> None:
    path = make_tiny_model(context_frames=(224, 448, 672))
    engine: InferenceEngine = OnnxEngine(path, threads=1)
    if kind == "android":
        request.getfixturevalue("java")
        describe(path)
        engine = android.OrtEngine(path)
    widths = []

    class Watched:
        def run(self, batch: Float32) -> Float32:
            widths.append(batch.shape[3])
            return engine.run(batch)

    info = ModelInfo.from_metadata(path, engine.metadata)  # type: ignore[attr-defined]
    live = LiveClassifier(22_050, model=Model(info, Watched()))
    assert live.push(np.concatenate([tone("samba", 25.0), tone("tango", 10.0)])) is not None
    assert set(widths) == {224, 448, 672}
    prediction = live.push(tone("tango", 10.0))
    assert prediction is not None
    assert [part.dance for part in prediction.parts] == ["samba", "tango"]


def test_android_engine_frees_what_it_takes(java: Java, tiny_model: Path) -> None:
    describe(tiny_model)
    model = android.load_model(str(tiny_model))
    before = java("ai.onnxruntime.OnnxTensor").open  # type: ignore[attr-defined]
    for _ in range(20):
        model.run(np.ones((2, 1, 224, 224), np.float32))
    assert java("ai.onnxruntime.OnnxTensor").open == before  # type: ignore[attr-defined]


def test_the_network_for_beats_runs_in_androids_engine(java: Java, tmp_path: Path) -> None:
    """By the names of inputs and outputs, whatever their order; with the shipped file's metadata."""
    shipped = shipped_beats()
    path = Path(shutil.copyfile(shipped, tmp_path / "beats.onnx"))
    describe(path)
    before = java("ai.onnxruntime.OnnxTensor").open  # type: ignore[attr-defined]
    engine = android.OrtEngine(path)
    model = BeatModel.of(path, engine.metadata, engine)
    assert model.dances == BeatModel.load().dances
    rng = np.random.default_rng(2)
    features = rng.normal(size=(1, 56, 30)).astype(np.float32)
    state = np.zeros((1, model.state_size), np.float32)
    told = np.zeros((1, len(model.dances)), np.float32)
    heard, after = engine.compute(
        ["activations", "new_state"], {"features": features, "dances": told, "state": state}
    )
    mean = features.mean(axis=1)
    np.testing.assert_allclose(heard, np.stack([mean, mean - 1], axis=1), atol=1e-5)
    np.testing.assert_array_equal(after, state + 1)
    assert java("ai.onnxruntime.OnnxTensor").open == before  # type: ignore[attr-defined]


def test_animations_that_were_removed_are_asked_for(java: Java) -> None:
    system, settings = android.AndroidSystem(), java("android.provider.Settings$Global")
    for scale, calm in ((1.0, False), (0.5, False), (0.0, True)):
        settings.animatorScale = scale  # type: ignore[attr-defined]
        assert system.reduced_motion() is calm
    settings.animatorScale = 1.0  # type: ignore[attr-defined]


def test_android_engine_refuses_what_is_no_model(java: Java, make_tiny_model: ModelMaker) -> None:
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        android.load_model(str(make_tiny_model()))


# What the system offers


@pytest.fixture(params=["desktop", "android"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    if request.param == "desktop":
        return desktop.DesktopSystem(copy=lambda _: None, allow_sleep=lambda _: None, folder=tmp_path)
    activity = request.getfixturevalue("java")("org.kivy.android.PythonActivity")
    activity.answer, activity.granted, activity.document = "grant", False, str(tmp_path / "out.csv")
    return android.AndroidSystem()


def test_system_grants_the_microphone(system: System) -> None:
    answers: list[Permission] = []
    system.request_microphone(answers.append)
    assert answers == [Permission.GRANTED]
    assert system.microphone_permission() is Permission.GRANTED


def test_system_saves_a_file(system: System, tmp_path: Path) -> None:
    places: list[str | None] = []
    system.save_file("out.csv", "text/csv", b"a,b\n\xc3\xa4\xff", places.append)
    assert places[0]
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\n\xc3\xa4\xff"


def test_system_does_all_the_rest_without_fuss(system: System) -> None:
    system.vibrate((60, 90, 60))
    system.keep_awake(True)
    system.keep_awake(False)
    system.share_text("whichdance", "Rumba · 93 %")
    assert isinstance(system.prefers_dark(), bool)
    assert isinstance(system.reduced_motion(), bool)
    assert len(system.insets()) == 4
    assert system.language()[:1].isalpha()


def test_desktop_never_overwrites_and_says_where(tmp_path: Path) -> None:
    copied: list[str] = []
    system = desktop.DesktopSystem(copy=copied.append, allow_sleep=copied.append, folder=tmp_path)  # type: ignore[arg-type]
    places: list[str | None] = []
    for content in (b"1", b"2"):
        system.save_file("h.csv", "text/csv", content, places.append)
    assert [Path(place or "").name for place in places] == ["h.csv", "h-2.csv"]
    assert (tmp_path / "h.csv").read_bytes() == b"1"
    gone = desktop.DesktopSystem(copy=copied.append, allow_sleep=copied.append, folder=tmp_path / "no")  # type: ignore[arg-type]
    gone.save_file("h.csv", "text/csv", b"", places.append)
    assert places[-1] is None
    assert system.share_text("t", "Tango") == desktop.COPIED
    system.keep_awake(True)
    assert copied == ["Tango", False]
    assert not system.pick_audio(lambda _: None)
    assert not system.open_permission_settings()


@pytest.mark.parametrize(("answer", "expected"), [("refuse", Permission.ASK), ("never", Permission.BLOCKED)])
def test_android_permission_refused(java: Java, answer: str, expected: Permission) -> None:
    activity = java("org.kivy.android.PythonActivity")
    activity.answer, activity.granted = answer, False  # type: ignore[attr-defined]
    system = android.AndroidSystem()
    assert system.microphone_permission() is Permission.ASK  # nobody has been asked yet
    answers: list[Permission] = []
    system.request_microphone(answers.append)
    assert answers == [expected]
    activity.answer = "grant"  # type: ignore[attr-defined]
    system.request_microphone(answers.append)
    assert answers[-1] is Permission.GRANTED


def test_android_dialogues(java: Java, tmp_path: Path) -> None:
    activity = java("org.kivy.android.PythonActivity")
    system = android.AndroidSystem()
    picked: list[object] = []
    activity.document = str(tmp_path / "song.mp3")  # type: ignore[attr-defined]
    assert system.pick_audio(picked.append)
    assert activity.last.type == "audio/*"  # type: ignore[attr-defined]
    activity.document = None  # type: ignore[attr-defined]
    system.pick_audio(picked.append)
    system.save_file("x.json", "application/json", b"{}", picked.append)
    assert picked == [f"content:{tmp_path / 'song.mp3'}", None, None]
    activity.document = str(tmp_path / "no folder" / "x.json")  # type: ignore[attr-defined]
    system.save_file("x.json", "application/json", b"{}", picked.append)
    assert picked[-1] is None
    assert system.share_text("whichdance", "Tango") is None
    assert activity.last.inner.extras.get("android.intent.extra.TEXT") == "Tango"  # type: ignore[attr-defined]
    assert system.open_permission_settings()
    assert activity.last.data.toString() == "package:org.whichdance.whichdance"  # type: ignore[attr-defined]


def test_android_keeps_awake_vibrates_and_follows_the_system(java: Java) -> None:
    activity, vibrator = java("org.kivy.android.PythonActivity"), java("android.os.Vibrator")
    build = java("android.os.Build$VERSION")
    system = android.AndroidSystem()
    window = activity.mActivity.getWindow()  # type: ignore[attr-defined]
    system.keep_awake(True)
    assert window.flags & 0x80
    system.keep_awake(False)
    assert not window.flags & 0x80
    for sdk in (24, 35):
        build.SDK_INT = sdk  # type: ignore[attr-defined]
        system.vibrate((200, 90, 60))
        kind = "effect" if sdk == 35 else "pattern"
        assert vibrator.last == f"{kind} [0, 200, 90, 60]"  # type: ignore[attr-defined]
    configuration = activity.mActivity.getResources().getConfiguration()  # type: ignore[attr-defined]
    for mode, dark in ((0x21, True), (0x11, False)):
        configuration.uiMode = mode
        assert system.prefers_dark() is dark


def in_a_thread(work: Callable[[], object]) -> object:
    """What some work gives in a thread that Python has made, as the listener's is."""
    found: list[object] = []

    def run() -> None:
        import jnius

        try:
            found.append(work())
        except BaseException as error:
            found.append(error)
        finally:
            jnius.detach()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_finds_no_class_of_the_app_by_itself(java: Java) -> None:
    """Else the stubs would be kinder than Android, and the next test would show nothing."""
    import jnius

    assert not isinstance(in_a_thread(lambda: jnius.autoclass("java.util.ArrayDeque")), BaseException)
    error = in_a_thread(lambda: jnius.autoclass("ai.onnxruntime.OrtProvider"))
    assert isinstance(error, jnius.JavaException)
    assert jnius.autoclass("ai.onnxruntime.OrtProvider").CPU is not None  # the main thread does


def test_android_model_is_loaded_and_run_in_a_thread(java: Java, tiny_model: Path, tone: ToneMaker) -> None:
    describe(tiny_model)

    def work() -> object:
        live = LiveClassifier(22_050, model=android.load_model(str(tiny_model)))
        return live.push(tone("tango", 8.0))

    prediction = in_a_thread(work)
    assert not isinstance(prediction, BaseException), prediction
    assert prediction.dance == "tango"  # type: ignore[union-attr]


@pytest.mark.parametrize("sdk", [24, 27, 28, 29, 30, 34, 35, 36])
def test_android_says_what_its_bars_cover_on_every_sdk(java: Java, sdk: int) -> None:
    """The window reaches under both bars from Android 7 on, by the theme of `display_cutout = shortEdges`.

    Below 15 nothing was said to be covered, and the app's own navigation lay under the system's.
    """
    build, window = java("android.os.Build$VERSION"), java("android.view.Window")
    translucent = 0x4000000 | 0x8000000
    try:
        build.SDK_INT = sdk  # type: ignore[attr-defined]
        window.theme = translucent  # type: ignore[attr-defined]
        # Lying, the camera's cutout is at the left, where no bar is; it is known from 28 on.
        camera = 90.0 if sdk >= 28 else 1.0
        assert android.AndroidSystem().insets() == (camera, 24.0, 2.0, 48.0)
        window.theme = 0  # type: ignore[attr-defined]  # another theme: the system keeps its bars to itself
        bare = (camera, 24.0, 2.0, 48.0) if sdk >= 35 else (90.0 if sdk >= 28 else 0.0, 0.0, 0.0, 0.0)
        assert android.AndroidSystem().insets() == bare
        window.theme = 0x4000000  # type: ignore[attr-defined]  # only the status
        if sdk < 35:
            assert android.AndroidSystem().insets()[1:] == (24.0, 0.0, 0.0)
    finally:
        build.SDK_INT, window.theme = 35, translucent  # type: ignore[attr-defined]


def test_android_documents_have_names(java: Java) -> None:
    """They were called `audio%3A1234`, which is the provider's number for them."""
    resolver, cursor = java("android.content.ContentResolver"), java("android.database.Cursor")
    system = android.AndroidSystem()
    place = "content://com.android.providers.media.documents/document/audio%3A1234"
    before = cursor.open  # type: ignore[attr-defined]
    for name in ("Žluťoučký valčík.mp3", "100 %.ogg"):
        resolver.displayName = name  # type: ignore[attr-defined]
        assert system.name_of(place) == name
    resolver.displayName = ""  # type: ignore[attr-defined]  # no row
    assert system.name_of(place) == "audio%3A1234"
    assert cursor.open == before  # type: ignore[attr-defined]
    resolver.displayName = None  # type: ignore[attr-defined]
    assert system.name_of(place) == "audio%3A1234"
    resolver.revoked = True  # type: ignore[attr-defined]
    assert system.name_of(place) == "audio%3A1234"
    resolver.revoked = False  # type: ignore[attr-defined]
    assert system.name_of("/sdcard/Music/tango.mp3") == "tango.mp3"


def test_android_saves_sound_and_takes_a_backup(java: Java, tmp_path: Path) -> None:
    activity = java("org.kivy.android.PythonActivity")
    system, places = android.AndroidSystem(), list[object]()
    content = np.random.default_rng(1).bytes(3_500_000)  # several blocks
    (tmp_path / "sound.wav").write_bytes(content)
    activity.document = str(tmp_path / "there.wav")  # type: ignore[attr-defined]
    system.save_file("sound.wav", "audio/x-wav", tmp_path / "sound.wav", places.append)
    assert places == ["sound.wav"]
    assert (tmp_path / "there.wav").read_bytes() == content
    assert system.pick_document(tmp_path / "beside", places.append)
    assert places[-1] == tmp_path / "beside"
    assert (tmp_path / "beside").read_bytes() == content
    system.save_file("sound.wav", "audio/x-wav", tmp_path / "missing.wav", places.append)
    assert places[-1] is None
    activity.document = None  # type: ignore[attr-defined]
    system.pick_document(tmp_path / "beside", places.append)
    assert places[-1] is None


def test_android_says_the_name(java: Java) -> None:
    voice = java("android.speech.tts.TextToSpeech")
    android.AndroidSystem().speak("Langsamer Walzer", "de")
    give_up = time.monotonic() + 5
    while not voice.said and time.monotonic() < give_up:  # type: ignore[attr-defined]
        time.sleep(0.02)
    assert voice.said == "de: Langsamer Walzer"  # type: ignore[attr-defined]


def test_the_phone_needs_neither_onnxruntime_nor_soundfile() -> None:
    code = (
        "import sys\n"
        "for name in ('onnxruntime', 'soundfile', 'sounddevice', 'scipy', 'rich', 'matplotlib', 'kivy'):\n"
        "    sys.modules[name] = None\n"
        "import runtime, mobile_app.main, mobile_app.core.session, mobile_app.devices.android\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.skipif(OWN_PROCESS in os.environ, reason="is that process")
@pytest.mark.skipif(shutil.which("javac") is None, reason="javac is not installed")
def test_android_adapters() -> None:
    """The tests above that need Java, in a process that has a Java machine."""
    service = str(Path(__file__).with_name("test_listen_service.py"))
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *options, __file__, service]
    environment = os.environ | {OWN_PROCESS: "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 1 skipped" in done.stdout.splitlines()[-1]  # this one
