"""Android through pyjnius: AudioRecord, MediaCodec, the onnxruntime AAR, and what the system offers.

Only `jnius` is imported, and only when something is used, so that the same code runs in the tests against
small Java stubs on a desktop's JVM.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mobile_app.core.interfaces import Permission, Platform
from mobile_app.core.problems import Problem, SourceError
from mobile_app.core.ring import RingBuffer, Samples
from mobile_app.devices.threaded import ThreadedSource
from runtime.beat_activations import BeatModel, shipped_beats
from runtime.errors import ModelError
from runtime.mel import Float32
from runtime.model import FEATURES, INPUT, OUTPUT, Model, ModelInfo, resolve
from runtime.rehearsal import features_size

log = logging.getLogger(__name__)

# What only the app's own class loader knows. A thread of Python's finds only the system's classes (JNI's
# FindClass asks the loader of the caller, and such a thread has none), so these are all resolved at the
# start, on the main thread; what Java gives back of their kind is then known everywhere.
CLASSES = (
    "org.kivy.android.PythonActivity",
    "org.whichdance.whichdance.ListenService",
    "org.whichdance.whichdance.ListenTile",
    "ai.onnxruntime.OrtEnvironment",
    "ai.onnxruntime.OrtSession",
    "ai.onnxruntime.OrtSession$SessionOptions",
    "ai.onnxruntime.OrtSession$Result",
    "ai.onnxruntime.OnnxTensor",
    "ai.onnxruntime.OnnxJavaType",
    "ai.onnxruntime.OnnxModelMetadata",
    "ai.onnxruntime.TensorInfo",
)

SAMPLE_RATE = 44_100  # Hz: the one rate that every Android device has
READ_SECONDS = 0.1
RECORD_AUDIO = "android.permission.RECORD_AUDIO"
POST_NOTIFICATIONS = "android.permission.POST_NOTIFICATIONS"

# Constants of the Android API, by their names there
SOURCE_VOICE_RECOGNITION, SOURCE_UNPROCESSED = 6, 9
CHANNEL_IN_MONO, ENCODING_PCM_16BIT, ENCODING_PCM_FLOAT = 16, 2, 4
STATE_INITIALIZED, RECORDSTATE_RECORDING = 1, 3
PERMISSION_GRANTED = 0
FLAG_KEEP_SCREEN_ON = 0x80
FLAG_TRANSLUCENT_STATUS, FLAG_TRANSLUCENT_NAVIGATION = 0x4000000, 0x8000000
CUTOUT_SDK, INSETS_SDK, EDGE_TO_EDGE_SDK = 28, 30, 35
VIBRATION_EFFECT_SDK, NOTIFICATION_PERMISSION_SDK = 26, 33
NO_REPEAT = -1
QUEUE_FLUSH, SPOKEN = 0, 0
SPEECH_SECONDS = 3.0  # that the voice may take to be ready
ANIMATOR_SCALE = "animator_duration_scale"
UI_MODE_NIGHT_MASK, UI_MODE_NIGHT_YES = 0x30, 0x20
RESULT_OK = -1
BUFFER_FLAG_END_OF_STREAM = 4
INFO_OUTPUT_FORMAT_CHANGED = -2
CODEC_TIMEOUT_US = 10_000
FIRST_SOUND_SECONDS = 5.0  # that a decoder may take to say what it gives
PERMISSION_REQUEST, PICK_REQUEST, SAVE_REQUEST, NOTIFICATION_REQUEST = 4101, 4102, 4103, 4104
BACKUP_REQUEST = 4105
BLOCK_BYTES = 1 << 20  # that go to or from a document at a time

# Listeners live as long as the activity, which calls them: its references don't keep Python from
# collecting them, and a call of a collected one ends the process.
_KEPT: list[Any] = []


@cache
def _java(name: str) -> Any:
    from jnius import autoclass

    return autoclass(name)


def resolve_classes() -> None:
    """Look up all classes that only the main thread finds; belongs on that thread, before any other runs."""
    for name in CLASSES:
        _java(name)


def _activity() -> Any:
    return _java("org.kivy.android.PythonActivity").mActivity


def _service(name: str, kind: str) -> Any:
    from jnius import cast

    return cast(kind, _activity().getSystemService(name))


def _read(buffer: Any, n_bytes: int) -> bytes:
    """The next bytes of a java.nio.ByteBuffer, copied in one go."""
    data = bytearray(n_bytes)
    buffer.get(data)
    return bytes(data)


def _samples(data: bytes, channels: int = 1, encoding: int = ENCODING_PCM_16BIT) -> Samples:
    """Mono samples of interleaved PCM."""
    if encoding == ENCODING_PCM_FLOAT:
        samples: Samples = np.frombuffer(data, "<f4").astype(np.float32)
    else:
        samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    return samples.reshape(-1, channels).mean(axis=1, dtype=np.float32) if channels > 1 else samples


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


class Microphone:
    """The microphone, as little processed as the device allows: 44 100 Hz, mono, 16 bit."""

    def __init__(self) -> None:
        self.sample_rate = SAMPLE_RATE
        self._record: Any = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        """As in `AudioSource`."""
        from jnius import JavaException

        record_class = _java("android.media.AudioRecord")
        smallest = record_class.getMinBufferSize(SAMPLE_RATE, CHANNEL_IN_MONO, ENCODING_PCM_16BIT)
        size = max(smallest, 4 * 2 * round(READ_SECONDS * SAMPLE_RATE))
        try:
            record = record_class(audio_source(), SAMPLE_RATE, CHANNEL_IN_MONO, ENCODING_PCM_16BIT, size)
            if record.getState() != STATE_INITIALIZED:
                record.release()
                raise SourceError(Problem.NO_MICROPHONE, "AudioRecord is not initialised")
            record.startRecording()
        except JavaException as error:
            raise SourceError(Problem.MICROPHONE_TAKEN, str(error)) from error
        if record.getRecordingState() != RECORDSTATE_RECORDING:
            record.release()
            raise SourceError(Problem.MICROPHONE_TAKEN, "AudioRecord does not record")
        self._record = record
        self._thread = threading.Thread(
            target=self._deliver, args=(ring(SAMPLE_RATE), on_end), name="whichdance-audio", daemon=True
        )
        self._thread.start()

    def _deliver(self, buffer: RingBuffer, on_end: Callable[[SourceError | None], None]) -> None:
        import jnius

        n_bytes = 2 * round(READ_SECONDS * SAMPLE_RATE)
        java_buffer = _java("java.nio.ByteBuffer").allocateDirect(n_bytes)
        error = None
        try:
            while not self._stopping.is_set():
                got = self._record.read(java_buffer, n_bytes)
                if got <= 0:
                    # ERROR_DEAD_OBJECT and its like: the device went away, for example with its headset.
                    error = SourceError(Problem.MICROPHONE_LOST, f"AudioRecord.read gave {got}")
                    break
                java_buffer.rewind()
                buffer.write(_samples(_read(java_buffer, got)))
                java_buffer.rewind()
        finally:
            self._record.stop()
            self._record.release()
            if error and not self._stopping.is_set():
                on_end(error)
            jnius.detach()

    def stop(self) -> None:
        """As in `AudioSource`."""
        self._stopping.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def progress(self) -> float | None:
        """As in `AudioSource`: a microphone has no end."""
        return None


def audio_source() -> int:
    """UNPROCESSED where the device has it, else VOICE_RECOGNITION, which has no automatic gain either."""
    audio = _service("audio", "android.media.AudioManager")
    supported = audio.getProperty("android.media.property.SUPPORT_AUDIO_SOURCE_UNPROCESSED")
    return SOURCE_UNPROCESSED if supported == "true" else SOURCE_VOICE_RECOGNITION


class Decoder(ThreadedSource):
    """A recording decoded by the system, as fast as the reader takes the samples.

    Parameters
    ----------
    place : str
        Path, or a content URI from the system's dialogue.
    """

    def __init__(self, place: str) -> None:
        super().__init__("whichdance-decoder")
        self.place = place

    def start(self, ring: Callable[[int], RingBuffer], on_end: Callable[[SourceError | None], None]) -> None:
        """As in `AudioSource`."""
        from jnius import JavaException

        extractor = _java("android.media.MediaExtractor")()
        try:
            if self.place.startswith("content:"):
                uri = _java("android.net.Uri").parse(self.place)
                extractor.setDataSource(_activity().getApplicationContext(), uri, None)
            else:
                extractor.setDataSource(self.place)
            track, media = self._audio_track(extractor)
            codec = _java("android.media.MediaCodec").createDecoderByType(media.getString("mime"))
            codec.configure(media, None, None, 0)
        except JavaException as error:
            extractor.release()
            raise SourceError(Problem.FILE_UNREADABLE, f"{self.place}: {error}") from error
        except SourceError:
            extractor.release()
            raise
        extractor.selectTrack(track)
        duration = media.getLong("durationUs") if media.containsKey("durationUs") else 0
        decoding = _Decoding(extractor, codec, self._stopped)
        try:
            codec.start()
            decoding.begin()
        except JavaException as error:
            codec.release()
            extractor.release()
            raise SourceError(Problem.FILE_UNREADABLE, f"{self.place}: {error}") from error
        except SourceError:
            codec.release()
            extractor.release()
            raise
        # The decoder's word, not the track's: of HE-AAC the track states half of the rate.
        self.sample_rate = decoding.sample_rate
        self._begin(ring(self.sample_rate), lambda buffer: self._deliver(decoding, duration, buffer), on_end)

    def _audio_track(self, extractor: Any) -> tuple[int, Any]:
        for track in range(extractor.getTrackCount()):
            media = extractor.getTrackFormat(track)
            if media.getString("mime").startswith("audio/"):
                return track, media
        raise SourceError(Problem.FILE_UNREADABLE, f"{self.place}: no sound in it")

    def _deliver(self, decoding: "_Decoding", duration_us: int, ring: RingBuffer) -> None:
        import jnius

        try:
            for samples, time_us in decoding.blocks():
                if decoding.sample_rate != self.sample_rate:
                    raise SourceError(Problem.FILE_UNREADABLE, f"{self.place}: its sampling rate changes")
                if not ring.offer(samples):
                    return
                self._progress = min(1.0, time_us / duration_us) if duration_us else 0.0
        except jnius.JavaException as failure:
            raise SourceError(Problem.FILE_UNREADABLE, f"{self.place}: {failure}") from failure
        finally:
            decoding.release()
            jnius.detach()


class _Decoding:
    """A codec at work: what goes in, what comes out, and in which format.

    Attributes
    ----------
    sample_rate, channels, encoding : int
        Of the decoder's output, once `begin` has returned.
    """

    def __init__(self, extractor: Any, codec: Any, stopped: threading.Event) -> None:
        self._extractor = extractor
        self._codec = codec
        self._stopped = stopped
        self._info = _java("android.media.MediaCodec$BufferInfo")()
        self._fed = False
        self._first: int | None = None  # a buffer that came before anybody wanted it
        self.sample_rate = self.channels = 0
        self.encoding = ENCODING_PCM_16BIT

    def begin(self) -> None:
        """Decode until the output's format is known."""
        give_up = time.monotonic() + FIRST_SOUND_SECONDS
        while not self.sample_rate:
            index = self._step()
            if index >= 0:
                self._first = index
                self._take_format()
            elif time.monotonic() > give_up or self._stopped.is_set():
                raise SourceError(Problem.FILE_UNREADABLE, "the decoder gives nothing")

    def _take_format(self) -> None:
        output = self._codec.getOutputFormat()
        self.sample_rate = output.getInteger("sample-rate")
        self.channels = output.getInteger("channel-count")
        if output.containsKey("pcm-encoding"):
            self.encoding = output.getInteger("pcm-encoding")

    def _step(self) -> int:
        """Feed what the codec takes; the number of a buffer that it gives, below 0 for none."""
        codec, extractor = self._codec, self._extractor
        if not self._fed:
            index = codec.dequeueInputBuffer(CODEC_TIMEOUT_US)
            if index >= 0:
                size = extractor.readSampleData(codec.getInputBuffer(index), 0)
                self._fed = size < 0
                if self._fed:
                    codec.queueInputBuffer(index, 0, 0, 0, BUFFER_FLAG_END_OF_STREAM)
                else:
                    codec.queueInputBuffer(index, 0, size, extractor.getSampleTime(), 0)
                    extractor.advance()
        index = int(codec.dequeueOutputBuffer(self._info, CODEC_TIMEOUT_US))
        if index == INFO_OUTPUT_FORMAT_CHANGED:
            self._take_format()
        return index

    def blocks(self) -> Iterator[tuple[Samples, int]]:
        """Mono samples, and their time in microseconds, until the stream ends."""
        while not self._stopped.is_set():
            index, self._first = (self._step(), None) if self._first is None else (self._first, None)
            if index < 0:
                continue
            if self._info.size:
                buffer = self._codec.getOutputBuffer(index)
                buffer.position(self._info.offset)
                data = _read(buffer, self._info.size)
                yield _samples(data, self.channels, self.encoding), self._info.presentationTimeUs
            last = self._info.flags & BUFFER_FLAG_END_OF_STREAM
            self._codec.releaseOutputBuffer(index, False)
            if last:
                return

    def release(self) -> None:
        """Give codec and file back."""
        self._codec.release()
        self._extractor.release()


class OrtEngine:
    """onnxruntime's Java package (the AAR) behind the runtime's `InferenceEngine`.

    Parameters
    ----------
    path : Path
        An .onnx file.
    threads : int
        Threads within an operator.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        from jnius import JavaException

        self.path = path
        self._environment = _java("ai.onnxruntime.OrtEnvironment").getEnvironment()
        options = _java("ai.onnxruntime.OrtSession$SessionOptions")()
        options.setIntraOpNumThreads(threads)
        try:
            self._session = self._environment.createSession(str(path), options)
            found = self._session.getMetadata().getCustomMetadata()
        except JavaException as error:
            raise ModelError(f"{path}: not an ONNX model that this onnxruntime loads ({error})") from error
        self.metadata: dict[str, str] = {key: found.get(key) for key in found.keySet().toArray()}
        self._outputs = [str(name) for name in self._session.getOutputNames().toArray()]

    def run(self, batch: Float32) -> Float32:
        """Scores (n, n_labels) of segments (n, 1, 224, segment_frames) of mel power."""
        return self.compute([OUTPUT], {INPUT: batch})[0]

    def embed(self, batch: Float32) -> Float32:
        """Features (n, size) of segments; ModelError where the model gives none."""
        if features_size(self.path, self.metadata) is None:
            raise ModelError(f"{self.path}: gives no features, so that it cannot be taught")
        return self.compute([FEATURES], {INPUT: batch})[0]

    def compute(self, outputs: Sequence[str], inputs: Mapping[str, Float32]) -> list[Float32]:
        """Outputs of the graph by their names, whatever it is for."""
        from jnius import cast

        given, tensors = _java("java.util.HashMap")(), []
        try:
            for name, value in inputs.items():
                tensors.append(self._tensor(value))
                given.put(name, tensors[-1])
            result = self._session.run(given)
            try:
                found = [
                    _array(cast("ai.onnxruntime.OnnxTensor", result.get(self._outputs.index(name))))
                    for name in outputs
                ]
            finally:
                result.close()
        finally:
            for tensor in tensors:
                tensor.close()
        return found

    def _tensor(self, values: Float32) -> Any:
        data = np.ascontiguousarray(values, np.float32).tobytes()
        buffer = _java("java.nio.ByteBuffer").allocateDirect(len(data))
        buffer.order(_java("java.nio.ByteOrder").nativeOrder())
        buffer.put(data)
        buffer.rewind()
        kind = _java("ai.onnxruntime.OnnxJavaType").FLOAT
        create = _java("ai.onnxruntime.OnnxTensor").createTensor
        return create(self._environment, buffer, list(values.shape), kind)


def _array(tensor: Any) -> Float32:
    """A copy of what a tensor of floats holds."""
    buffer = tensor.getByteBuffer()
    values = np.frombuffer(_read(buffer, buffer.remaining()), np.float32)
    return values.astype(np.float32).reshape(list(tensor.getInfo().getShape()))


def load_beats() -> BeatModel:
    """The network for beats that the app comes with, in the AAR's engine."""
    path = shipped_beats()
    engine = OrtEngine(path, threads=1)
    return BeatModel.of(path, engine.metadata, engine)


def load_model(name: str) -> Model:
    """A checked model in the AAR's engine; '' is the one that the app comes with."""
    path = resolve(name or None)
    engine = OrtEngine(path)
    return Model(ModelInfo.from_metadata(path, engine.metadata), engine)


class AndroidSystem:
    """What Android offers of `System`."""

    def __init__(self) -> None:
        self._asked = False
        self._on_answer: Callable[[Permission], None] | None = None
        self._on_result: dict[int, Callable[[Any], None]] = {}
        self._permissions: Any = None
        self._results: Any = None
        self._runnables: deque[Any] = deque(maxlen=16)  # until the other thread has run them
        self._voice: Any = None
        self._voice_lock = threading.Lock()
        self._notifies = False  # asked whether notifications are wanted
        self._stop_listener: Any = None

    def microphone_permission(self) -> Permission:
        """As in `System`."""
        activity = _activity()
        if activity.checkSelfPermission(RECORD_AUDIO) == PERMISSION_GRANTED:
            return Permission.GRANTED
        # Before the first question and after 'never ask again' the answer is the same: only ask once.
        if self._asked and not activity.shouldShowRequestPermissionRationale(RECORD_AUDIO):
            return Permission.BLOCKED
        return Permission.ASK

    def request_microphone(self, on_answer: Callable[[Permission], None]) -> None:
        """As in `System`."""
        self._on_answer = on_answer
        self._asked = True
        if self._permissions is None:
            self._permissions = _listeners().permissions(self._answered)
            _KEPT.append(self._permissions)
            _activity().addPermissionsCallback(self._permissions)
        _activity().requestPermissionsWithRequestCode([RECORD_AUDIO], PERMISSION_REQUEST)

    def _answered(self, request: int) -> None:
        if request == PERMISSION_REQUEST and self._on_answer:
            on_answer, self._on_answer = self._on_answer, None
            on_answer(self.microphone_permission())

    def open_permission_settings(self) -> bool:
        """As in `System`."""
        intent = _java("android.content.Intent")(
            _java("android.provider.Settings").ACTION_APPLICATION_DETAILS_SETTINGS,
            _java("android.net.Uri").fromParts("package", _activity().getPackageName(), None),
        )
        _activity().startActivity(intent)
        return True

    def vibrate(self, pattern: Sequence[int]) -> None:
        """As in `System`."""
        vibrator = _service("vibrator", "android.os.Vibrator")
        if not vibrator.hasVibrator():
            return
        timings = [0, *pattern]  # Android begins with a pause
        if _java("android.os.Build$VERSION").SDK_INT >= VIBRATION_EFFECT_SDK:
            vibrator.vibrate(_java("android.os.VibrationEffect").createWaveform(timings, NO_REPEAT))
        else:
            vibrator.vibrate(timings, NO_REPEAT)

    def speak(self, text: str, language: str) -> None:
        """As in `System`, with the voice that the user has chosen for the device."""
        threading.Thread(
            target=self._say, args=(text, language), name="whichdance-voice", daemon=True
        ).start()

    def _say(self, text: str, language: str) -> None:
        import jnius

        try:
            with self._voice_lock:
                if self._voice is None:
                    context = _activity().getApplicationContext()
                    self._voice = _java("android.speech.tts.TextToSpeech")(context, None)
                self._voice.setLanguage(_java("java.util.Locale")(language))
                words = jnius.cast("java.lang.CharSequence", _java("java.lang.String")(text))
                give_up = time.monotonic() + SPEECH_SECONDS
                while self._voice.speak(words, QUEUE_FLUSH, None, "dance") != SPOKEN:
                    if time.monotonic() > give_up:  # no voice is installed
                        log.warning("the device has no voice for %r", text)
                        break
                    time.sleep(0.1)
        finally:
            jnius.detach()

    def start_background(self, title: str, text: str, stop: str, on_stop: Callable[[], None]) -> bool:
        """As in `System`: a foreground service."""
        listener = _listeners().stop(on_stop)
        # Kept to the end of the process: the service may call it while it is being replaced.
        _KEPT.append(listener)
        service = _java("org.whichdance.whichdance.ListenService")
        if not service.start(_activity(), title, text, stop, listener):
            log.warning("no listening in the background: not in front, or not allowed")
            return False
        self._stop_listener = listener
        return True

    def background_runs(self) -> bool:
        """As in `System`: the service has come up, or is about to."""
        return bool(_java("org.whichdance.whichdance.ListenService").runs())

    def ask_to_notify(self) -> None:
        """As in `System`. Refused, the service goes on unseen."""
        if _java("android.os.Build$VERSION").SDK_INT < NOTIFICATION_PERMISSION_SDK or self._notifies:
            return
        self._notifies = True
        activity = _activity()
        if activity.checkSelfPermission(POST_NOTIFICATIONS) != PERMISSION_GRANTED:
            activity.requestPermissionsWithRequestCode([POST_NOTIFICATIONS], NOTIFICATION_REQUEST)

    def show_listening(self, on: bool) -> None:
        """As in `System`: in the tile."""
        _java("org.whichdance.whichdance.ListenTile").show(_activity(), on)

    def tell_background(self, title: str, text: str) -> None:
        """As in `System`."""
        if self._stop_listener is not None:
            _java("org.whichdance.whichdance.ListenService").tell(title, text)

    def stop_background(self) -> None:
        """As in `System`."""
        if self._stop_listener is not None:
            _java("org.whichdance.whichdance.ListenService").end()
            self._stop_listener = None

    def wants_to_listen(self) -> bool:
        """As in `System`: the tile in the quick settings."""
        return bool(_java("org.whichdance.whichdance.ListenTile").take())

    def keep_awake(self, on: bool) -> None:
        """As in `System`."""

        def change() -> None:
            window = _activity().getWindow()
            (window.addFlags if on else window.clearFlags)(FLAG_KEEP_SCREEN_ON)

        runnable = _listeners().runnable(change)
        self._runnables.append(runnable)
        _activity().runOnUiThread(runnable)

    def share_text(self, title: str, text: str) -> str | None:
        """As in `System`."""
        intent_class, string = _java("android.content.Intent"), _java("java.lang.String")
        intent = intent_class(intent_class.ACTION_SEND)
        intent.setType("text/plain")
        intent.putExtra(intent_class.EXTRA_TEXT, string(text))
        from jnius import cast

        chooser = intent_class.createChooser(intent, cast("java.lang.CharSequence", string(title)))
        _activity().startActivity(chooser)
        return None

    def save_file(
        self, name: str, mime: str, content: bytes | Path, on_saved: Callable[[str | None], None]
    ) -> None:
        """As in `System`."""
        intent_class = _java("android.content.Intent")
        intent = intent_class(intent_class.ACTION_CREATE_DOCUMENT)
        intent.addCategory(intent_class.CATEGORY_OPENABLE)
        intent.setType(mime)
        intent.putExtra(intent_class.EXTRA_TITLE, _java("java.lang.String")(name))

        def write(uri: Any) -> None:
            from jnius import JavaException

            if uri is None:
                return on_saved(None)
            try:
                stream = _activity().getContentResolver().openOutputStream(uri)
                try:
                    for block in _blocks(content):
                        stream.write(block)
                finally:
                    stream.close()
            except (JavaException, OSError) as error:
                log.error("%s can't be written: %s", name, error)
                return on_saved(None)
            return on_saved(name)

        self._start(intent, SAVE_REQUEST, write)

    def pick_audio(self, on_picked: Callable[[Path | str | None], None]) -> bool:
        """As in `System`."""
        intent_class = _java("android.content.Intent")
        intent = intent_class(intent_class.ACTION_OPEN_DOCUMENT)
        intent.addCategory(intent_class.CATEGORY_OPENABLE)
        intent.setType("audio/*")
        self._start(intent, PICK_REQUEST, lambda uri: on_picked(uri.toString() if uri else None))
        return True

    def pick_document(self, beside: Path, on_picked: Callable[[Path | None], None]) -> bool:
        """As in `System`; of any type, since few apps know that of a database."""

        def copy(uri: Any) -> None:
            from jnius import JavaException

            if uri is None:
                return on_picked(None)
            try:
                stream, data = _activity().getContentResolver().openInputStream(uri), bytearray(BLOCK_BYTES)
                try:
                    with beside.open("wb") as file:
                        while (got := stream.read(data)) > 0:
                            file.write(data[:got])
                finally:
                    stream.close()
            except (JavaException, OSError) as error:
                log.error("the backup can't be read: %s", error)
            return on_picked(beside)  # told as unreadable where it came to nothing

        intent_class = _java("android.content.Intent")
        intent = intent_class(intent_class.ACTION_OPEN_DOCUMENT)
        intent.addCategory(intent_class.CATEGORY_OPENABLE)
        intent.setType("*/*")
        self._start(intent, BACKUP_REQUEST, copy)
        return True

    def name_of(self, place: str) -> str:
        """As in `System`: a content URI is a number, only its provider knows the file's name."""
        if not place.startswith("content:"):
            return Path(place).name
        from jnius import JavaException

        columns = _java("android.provider.OpenableColumns")
        try:
            uri = _java("android.net.Uri").parse(place)
            rows = _activity().getContentResolver().query(uri, [columns.DISPLAY_NAME], None, None, None)
            try:
                name = rows.getString(0) if rows.moveToFirst() else None
            finally:
                rows.close()
        except (JavaException, AttributeError) as error:  # revoked, or a provider that answers nothing
            log.warning("%s has no name: %s", place, error)
            name = None
        return str(name) if name else place.rpartition("/")[2].rpartition("%2F")[2]

    def _start(self, intent: Any, request: int, on_uri: Callable[[Any], None]) -> None:
        if self._results is None:
            self._results = _listeners().results(self._result)
            _KEPT.append(self._results)
            _activity().registerActivityResultListener(self._results)
        self._on_result[request] = on_uri
        _activity().startActivityForResult(intent, request)

    def _result(self, request: int, result: int, intent: Any) -> None:
        on_uri = self._on_result.get(request)
        if on_uri:
            on_uri(intent.getData() if result == RESULT_OK and intent else None)

    def insets(self) -> tuple[float, float, float, float]:
        """As in `System`: under which bars the window reaches, and the camera's cutout.

        Below Android 15 that is the theme's choice, and python-for-android's makes both bars translucent
        where `display_cutout` is asked for; from then on it is so for every app.
        """
        window, sdk = _activity().getWindow(), _java("android.os.Build$VERSION").SDK_INT
        found = window.getDecorView().getRootWindowInsets()
        if found is None:  # the window is not there yet
            return 0.0, 0.0, 0.0, 0.0
        left, top, right, bottom = _bars(found, sdk)
        flags = window.getAttributes().flags
        if sdk < EDGE_TO_EDGE_SDK and not flags & FLAG_TRANSLUCENT_STATUS:
            top = 0
        if sdk < EDGE_TO_EDGE_SDK and not flags & FLAG_TRANSLUCENT_NAVIGATION:
            left = right = bottom = 0
        # Lying, the cutout is at the left or the right, where no bar is.
        covered = zip((left, top, right, bottom), _cutout(found, sdk), strict=True)
        left, top, right, bottom = (max(pair) for pair in covered)
        return float(left), float(top), float(right), float(bottom)

    def reduced_motion(self) -> bool:
        """As in `System`: 'Remove animations' sets the length of all animations to 0."""
        settings = _java("android.provider.Settings$Global")
        return bool(settings.getFloat(_activity().getContentResolver(), ANIMATOR_SCALE, 1.0) == 0)

    def prefers_dark(self) -> bool:
        """As in `System`."""
        mode = _activity().getResources().getConfiguration().uiMode
        return bool(mode & UI_MODE_NIGHT_MASK == UI_MODE_NIGHT_YES)

    def language(self) -> str:
        """As in `System`."""
        return str(_java("java.util.Locale").getDefault().toString())


def _bars(found: Any, sdk: int) -> tuple[int, int, int, int]:
    """How much of the window the system's bars take, of its WindowInsets; without the keyboard."""
    if sdk >= INSETS_SDK:
        bars = found.getInsets(_java("android.view.WindowInsets$Type").systemBars())
        return bars.left, bars.top, bars.right, bars.bottom
    return (
        found.getStableInsetLeft(),
        found.getStableInsetTop(),
        found.getStableInsetRight(),
        found.getStableInsetBottom(),
    )


def _cutout(found: Any, sdk: int) -> tuple[int, int, int, int]:
    """How much of the window the camera's cutout takes."""
    cutout = found.getDisplayCutout() if sdk >= CUTOUT_SDK else None
    if cutout is None:
        return 0, 0, 0, 0
    return (
        cutout.getSafeInsetLeft(),
        cutout.getSafeInsetTop(),
        cutout.getSafeInsetRight(),
        cutout.getSafeInsetBottom(),
    )


@cache
def _listeners() -> Any:
    """Python classes that Java can call; they can be made only where there is a JVM."""
    from jnius import PythonJavaClass, java_method

    class Permissions(PythonJavaClass):
        __javainterfaces__ = ["org/kivy/android/PythonActivity$PermissionsCallback"]  # noqa: RUF012
        __javacontext__ = "app"

        def __init__(self, callback: Callable[[int], None]) -> None:
            super().__init__()
            self.callback = callback

        @java_method("(I[Ljava/lang/String;[I)V")
        def onRequestPermissionsResult(self, request: int, permissions: Any, results: Any) -> None:
            self.callback(request)

    class Results(PythonJavaClass):
        __javainterfaces__ = ["org/kivy/android/PythonActivity$ActivityResultListener"]  # noqa: RUF012
        __javacontext__ = "app"

        def __init__(self, callback: Callable[[int, int, Any], None]) -> None:
            super().__init__()
            self.callback = callback

        @java_method("(IILandroid/content/Intent;)V")
        def onActivityResult(self, request: int, result: int, intent: Any) -> None:
            self.callback(request, result, intent)

    class Runnable(PythonJavaClass):
        __javainterfaces__ = ["java/lang/Runnable"]  # noqa: RUF012

        def __init__(self, action: Callable[[], None]) -> None:
            super().__init__()
            self.action = action

        @java_method("()V")
        def run(self) -> None:
            self.action()

    class Stop(PythonJavaClass):
        __javainterfaces__ = ["org/whichdance/whichdance/ListenService$Listener"]  # noqa: RUF012
        __javacontext__ = "app"

        def __init__(self, action: Callable[[], None]) -> None:
            super().__init__()
            self.action = action

        @java_method("()V")
        def stopped(self) -> None:
            self.action()

    class Listeners:
        permissions, results, runnable, stop = Permissions, Results, Runnable, Stop

    return Listeners


def platform() -> Platform:
    """The adapters of an Android device; belongs on the main thread."""
    resolve_classes()
    return Platform(AndroidSystem(), Microphone, Decoder, load_model, load_beats)
