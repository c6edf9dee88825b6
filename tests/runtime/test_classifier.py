import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

import runtime
from runtime import AudioError, Classifier, LiveClassifier, ParameterError
from runtime.dances import DANCE_KEYS, OTHER
from runtime.mel import FRAME_RATE, melspectrogram


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return Classifier(tiny_model, threads=1)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("key", ["cha_cha_cha", "rumba"])
def test_every_way_in_gives_the_same_answer(classifier, tone, tmp_path, key, rate):
    samples = tone(key, 21.0, rate)
    soundfile.write(tmp_path / "a.wav", samples, rate, "FLOAT")
    from_file = classifier.classify(tmp_path / "a.wav")
    from_samples = classifier.classify_samples(samples, rate)
    from_frames = classifier.classify_spectrogram(melspectrogram(samples, sample_rate=rate))
    for prediction in (from_file, from_samples, from_frames):
        assert prediction.dance == prediction.best == key
        assert prediction.segment_times == pytest.approx(
            [0, 200 / FRAME_RATE, 400 / FRAME_RATE, 600 / FRAME_RATE]
        )
        np.testing.assert_allclose(prediction.segment_scores, from_file.segment_scores, atol=1e-5)
    assert from_file.duration == from_samples.duration == 21.0


def test_aggregation_by_the_mean_of_the_thesis(tiny_model, tone):
    samples = np.concatenate([tone("rumba", 10.0), tone("jive", 20.0)])
    classifier = Classifier(tiny_model, threads=1, aggregation="mean")
    prediction = classifier.classify_samples(samples, 22_050)
    assert len(prediction.segment_scores) == 6
    np.testing.assert_allclose(
        list(prediction.scores.values()), prediction.segment_scores.mean(axis=0), atol=1e-6
    )
    assert prediction.dance == "jive"
    assert prediction.confidence == max(prediction.scores.values())
    assert tuple(prediction.scores) == (*DANCE_KEYS, OTHER)
    assert [(p.start, p.end, p.dance) for p in prediction.parts] == [(0, 30, "jive")]


def test_prediction_is_json(classifier, tone):
    answer = json.loads(json.dumps(classifier.classify_samples(tone("tango"), 22_050).to_dict()))
    assert answer["dance"] == "tango"
    assert list(answer["scores"]) == [*DANCE_KEYS, OTHER]
    assert answer["segments"][0]["start"] == 0
    assert answer["segments"][0]["end"] == pytest.approx(224 * 512 / 22_050)


def test_prediction_is_frozen(classifier, tone):
    prediction = classifier.classify_samples(tone("tango"), 22_050)
    with pytest.raises(AttributeError):
        prediction.dance = "jive"


def test_short_recordings_are_padded_and_say_so(classifier, tone):
    prediction = classifier.classify_samples(tone("samba", 2.1), 22_050)
    assert prediction.padded
    assert prediction.best == "samba"
    assert prediction.dance is None  # two seconds do not bear a name
    assert len(prediction.segment_scores) == 1
    assert not classifier.classify_samples(tone("samba", 5.3), 22_050).padded


def test_too_short_says_how_long_it_is_and_must_be(classifier, tone, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone("samba", 1.5), 22_050)
    with pytest.raises(AudioError, match=r"a\.wav: the recording is 1\.50 s long; it must be at least 2 s"):
        classifier.classify(tmp_path / "a.wav")


def test_abstains_below_the_threshold(make_tiny_model, tone):
    model = make_tiny_model(reject_threshold="0.99", evidence='{"name_at": 0.98, "two_at": 1.0}')
    for aggregation in ("mean", "evidence"):
        prediction = Classifier(model, aggregation=aggregation).classify_samples(tone("samba"), 22_050)
        assert (prediction.dance, prediction.verdict) == (None, "not sure")
        assert prediction.best == "samba"
        surer = Classifier(model, aggregation=aggregation, min_confidence=0.3)
        assert surer.classify_samples(tone("samba"), 22_050).dance == "samba"


def test_none_of_the_ten(make_tiny_model, tone):
    prediction = Classifier(make_tiny_model(none_of_the_ten=True)).classify_samples(tone("samba"), 22_050)
    assert prediction.best == "samba"
    assert 0.01 < prediction.scores[OTHER] < 0.5
    assert sum(prediction.scores.values()) == pytest.approx(1)


def test_smaller_stride_gives_more_segments(tiny_model, tone):
    samples = tone("jive", 20.0)
    assert len(Classifier(tiny_model, stride=10).classify_samples(samples, 22_050).segment_times) == 64


def test_classify_uses_the_shipped_model(shipped_tiny_model, tone, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone("quickstep"), 22_050)
    assert runtime.classify(tmp_path / "a.wav").dance == "quickstep"


def test_samples_must_be_finite_and_mono(classifier):
    with pytest.raises(AudioError, match=r"samples\[7\]"):
        classifier.classify_samples(np.r_[np.zeros(7), np.nan, np.zeros(99_999)], 22_050)
    with pytest.raises(ParameterError, match="mono"):
        classifier.classify_samples(np.zeros((2, 99_999)), 22_050)
    with pytest.raises(ParameterError, match="frames"):
        classifier.classify_spectrogram(np.zeros((224, 300), np.float32))


@pytest.mark.parametrize("chunk", [441, 10_007, 44_100])
def test_live_is_the_file_at_the_same_stride(tiny_model, tone, chunk):
    samples = np.concatenate([tone("rumba", 8.0, 44_100), tone("jive", 4.0, 44_100)])
    live = LiveClassifier(44_100, model=tiny_model, stride=43)
    updates = [p for i in range(0, len(samples), chunk) if (p := live.push(samples[i : i + chunk]))]
    whole = Classifier(tiny_model, stride=43).classify_samples(samples[: int(11.9 * 44_100)], 44_100)
    heard = np.concatenate([update.segment_scores for update in updates])
    np.testing.assert_allclose(heard[: len(whole.segment_scores)], whole.segment_scores, atol=1e-5)
    assert updates[0].dance == "rumba"
    assert updates[0].duration < 5.3 + chunk / 44_100
    assert updates[0].confidence > updates[-1].scores["rumba"]  # the mean follows the change of dance
    if chunk == 441:
        assert len(updates) == 7  # at 5.2 s, then every 43 frames


def test_reset_forgets(tiny_model, tone):
    live = LiveClassifier(22_050, model=tiny_model)
    assert live.push(tone("rumba", 8.0)).dance == "rumba"
    live.reset()
    assert live.push(tone("jive", 4.0)) is None
    assert live.push(tone("jive", 4.0)).scores["rumba"] < 0.05


def test_error_while_decoding_reaches_the_caller_and_ends_the_thread(classifier, tmp_path, tone):
    samples = tone("rumba", 60.0)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 22_050, "FLOAT")
    with pytest.raises(AudioError, match="finite"):
        classifier.classify(tmp_path / "a.wav")
    assert not [t for t in threading.enumerate() if t.name == "whichdance-decode"]


# VmHWM, since ru_maxrss of a child starts at what its parent had
MEASURE = """
import sys, runtime
runtime.Classifier(sys.argv[1], threads=1).classify(sys.argv[2])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_three_hours_need_no_more_memory_than_three_minutes(tiny_model, tmp_path):
    """Peak RSS in processes of their own; a three-hour recording may cost 10 MiB more, not gigabytes."""
    peaks = []
    for minutes in (3, 180):
        path = tmp_path / f"{minutes}.flac"
        noise = (0.1 * np.random.default_rng(0).standard_normal(60 * 44_100)).astype(np.float32)
        with soundfile.SoundFile(path, "w", 44_100, 1) as file:
            for _ in range(minutes):
                file.write(noise)
        command = [sys.executable, "-c", MEASURE, tiny_model, path]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks.append(int(out) / 1024)  # KiB
    print(peaks)
    assert peaks[1] - peaks[0] < 10
