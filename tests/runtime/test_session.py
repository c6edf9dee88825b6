"""The whole pipeline on sounds whose answer is known: parts, silence, other labels, thresholds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime import Classifier, LiveClassifier, ParameterError, audio
from runtime.dances import DANCE_KEYS, OTHER
from runtime.mel import melspectrogram
from runtime.model import Model
from runtime.segments import DEFAULT_STRIDE
from runtime.session import Judging

RATE = 22_050
SILENCE = np.zeros(60 * RATE, np.float32)


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return Classifier(tiny_model, threads=1)


def live(model, samples, chunk=RATE, **options):
    listener = LiveClassifier(RATE, model=model, threads=1, **options)
    updates = (listener.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk))
    return [update for update in updates if update]


def test_a_medley_has_parts(classifier, tone):
    samples = np.concatenate([tone("rumba", 31.0), tone("jive", 25.0), tone("tango", 40.0)])
    prediction = classifier.classify_samples(samples, RATE)
    assert [part.dance for part in prediction.parts] == ["rumba", "jive", "tango"]
    bounds = [part.start for part in prediction.parts] + [prediction.parts[-1].end]
    np.testing.assert_allclose(bounds, [0, 31, 56, 96], atol=5)
    assert all(a.end == b.start for a, b in zip(prediction.parts, prediction.parts[1:], strict=False))
    assert (prediction.dance, prediction.verdict) == (None, "not sure")  # nothing fills most of it


def test_the_dance_of_the_whole_fills_most_of_it(classifier, tone):
    samples = np.concatenate([tone("rumba", 20.0), tone("jive", 40.0)])
    assert classifier.classify_samples(samples, RATE).dance == "jive"


def test_the_examples_as_a_medley():
    names = ["rumba", "quickstep", "viennese_waltz"]
    pieces = [audio.read(f"examples/{name}.ogg") for name in names]
    assert len({rate for _, rate in pieces}) == 1
    medley = np.concatenate([samples for samples, _ in pieces])
    prediction = Classifier(threads=1).classify_samples(medley, pieces[0][1])
    assert [part.dance for part in prediction.parts] == names
    true = np.cumsum([len(samples) / rate for samples, rate in pieces])
    np.testing.assert_allclose([part.end for part in prediction.parts], true, atol=5)
    tempi = [Classifier(threads=1).classify_samples(*piece).tempo_bpm for piece in pieces]
    np.testing.assert_allclose([part.tempo_bpm for part in prediction.parts], tempi, rtol=0.03)


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_a_minute_of_silence_changes_no_answer(classifier, tiny_model, tone, where):
    music = tone("samba", 30.0)
    quiet = {"before": [SILENCE, music], "after": [music, SILENCE], "both": [SILENCE, music, SILENCE]}
    samples = np.concatenate(quiet[where])
    alone, padded = (classifier.classify_samples(s, RATE) for s in (music, samples))
    assert padded.dance == alone.dance == "samba"
    assert padded.confidence == pytest.approx(alone.confidence, abs=0.05)
    assert len(padded.parts) == 1
    start = 60 if where != "after" else 0
    assert padded.parts[0].start == pytest.approx(start, abs=3)
    assert padded.parts[0].end == pytest.approx(start + 30, abs=3)
    last = live(tiny_model, samples)[-1]
    assert last.dance == "samba"
    assert last.parts[-1].end == pytest.approx(start + 30, abs=3)


def test_dither_is_silence_too(classifier, tone):
    rng = np.random.default_rng(0)
    dither = ((rng.random(60 * RATE) - rng.random(60 * RATE)) / 32768).astype(np.float32)
    both = classifier.classify_samples(np.concatenate([tone("samba", 30.0), dither]), RATE)
    assert both.dance == "samba"
    assert classifier.classify_samples(dither, RATE).verdict == "silence"


def test_nothing_but_silence_says_so(classifier, tiny_model):
    for prediction in (classifier.classify_samples(SILENCE, RATE), *live(tiny_model, SILENCE[: 20 * RATE])):
        assert (prediction.dance, prediction.verdict, prediction.confidence) == (None, "silence", 0)
        assert prediction.parts == ()
        assert prediction.tempo_bpm is None


def test_quiet_music_is_no_silence(classifier, tone):
    assert classifier.classify_samples(tone("samba", 30.0) / 1000, RATE).dance == "samba"


@pytest.mark.parametrize("chunk", [441, 4_410, 100_000])
def test_live_does_not_depend_on_chunks(tiny_model, tone, chunk):
    samples = np.concatenate([tone("rumba", 20.0), SILENCE[: 8 * RATE], tone("jive", 30.0)])
    reference, other = live(tiny_model, samples)[-1], live(tiny_model, samples, chunk)[-1]
    assert other.since == reference.since
    assert [(p.start, p.dance) for p in other.parts] == [(p.start, p.dance) for p in reference.parts]
    np.testing.assert_allclose(list(other.scores.values()), list(reference.scores.values()), atol=1e-4)


def test_live_follows_the_music(tiny_model, tone):
    updates = live(tiny_model, np.concatenate([tone("rumba", 120.0), tone("jive", 20.0)]))
    named = {round(update.duration): update.dance for update in updates}
    assert named[119] == "rumba"
    assert named[135] == "jive"
    assert updates[-1].since == pytest.approx(120, abs=3)
    assert [part.dance for part in updates[-1].parts] == ["rumba", "jive"]
    assert all(len(update.segment_times) <= 2 for update in updates)


def test_the_thesis_mean_never_lets_go(tiny_model, tone):
    samples = np.concatenate([tone("rumba", 60.0), tone("jive", 30.0)])
    assert live(tiny_model, samples, aggregation="mean")[-1].dance == "rumba"
    assert live(tiny_model, samples)[-1].dance == "jive"


def test_labels_are_those_of_the_model(make_tiny_model, tone):
    labels = ("tango", "salsa", "my_lindy", "a", "b", "c", "d", "e", "f", "polka")
    model = make_tiny_model(labels=",".join(labels))
    prediction = Classifier(model, threads=1).classify_samples(tone("jive", 20.0), RATE)
    assert tuple(prediction.scores) == (*labels, OTHER)
    assert (prediction.dance, prediction.metre) == ("salsa", "4/4")
    unknown = Classifier(model, threads=1).classify_samples(tone("paso_doble", 20.0), RATE)
    assert (unknown.dance, unknown.metre, unknown.tempo_bpm) == ("my_lindy", None, None)


def test_only_the_ten_where_they_are_asked_for(make_tiny_model, tone):
    model = make_tiny_model(labels=",".join(["tango", "salsa", *"abcdefgh"]))
    ten = Classifier(model, threads=1, dances="ten")
    assert ten.labels == ("tango",)
    prediction = ten.classify_samples(tone("jive", 30.0), RATE)  # a salsa to this model
    assert (prediction.dance, prediction.verdict) == (None, "none")
    everything = Classifier(model, threads=1).classify_samples(tone("jive", 30.0), RATE)
    np.testing.assert_allclose(prediction.segment_scores[:, 0], everything.segment_scores[:, 0])
    with pytest.raises(ParameterError, match="knows none of 'ten'; known are all, standard"):
        Classifier(make_tiny_model(labels="a,b,c,d,e,f,g,h,i,j"), dances="ten")


def test_where_nothing_else_is_played_the_rest_is_shared_out(make_tiny_model, tone):
    """Bayes by hand: given that it is one of two dances, each has its share of what both have."""
    labels = ["tango", "salsa", "rumba", *"abcdefg"]
    model = make_tiny_model(labels=",".join(labels))
    samples = np.concatenate([tone("jive", 30.0), tone("cha_cha_cha", 30.0)])  # salsa, tango to this model
    everything = Classifier(model, threads=1).classify_samples(samples, RATE)
    two = Classifier(model, threads=1, dances="rumba,tango")
    only = Classifier(model, threads=1, dances=["rumba", "tango"], nothing_else=True)
    assert two.labels == only.labels == ("tango", "rumba")

    both = everything.segment_scores[:, [0, 2]]
    open_to_others, closed = (c.classify_samples(samples, RATE) for c in (two, only))
    np.testing.assert_allclose(open_to_others.segment_scores[:, :2], both, rtol=1e-6)
    np.testing.assert_allclose(open_to_others.segment_scores.sum(axis=1), 1, atol=1e-6)
    expected = (both + 0.002) / (both + 0.002).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(closed.segment_scores[:, :2], expected, rtol=1e-5)
    np.testing.assert_array_equal(closed.segment_scores[:, 2], 0)

    assert open_to_others.parts[0].verdict == "none"
    assert all(part.verdict != "none" for part in closed.parts)
    assert closed.scores["other"] < 1e-3
    assert sum(closed.scores.values()) == pytest.approx(1)
    assert closed.parts[-1].dance == "tango"


def test_nothing_else_follows_live_and_keeps_silence_and_tempo(make_tiny_model, tone):
    model = make_tiny_model(labels=",".join(["tango", "salsa", "rumba", *"abcdefg"]))
    options = {"dances": ("salsa", "tango"), "nothing_else": True}
    samples = np.concatenate([tone("jive", 30.0), tone("cha_cha_cha", 40.0)])
    updates = live(model, samples, **options)
    assert updates[-1].dance == "tango"
    assert [part.dance for part in updates[-1].parts] == ["salsa", "tango"]
    assert {update.verdict for update in updates} <= {"dance", "two", "not sure"}
    quiet = Classifier(model, threads=1, **options).classify_samples(SILENCE, RATE)
    assert quiet.verdict == "silence"
    one = Classifier(model, threads=1, dances="tango", nothing_else=True)
    assert one.classify_samples(samples, RATE).dance == "tango"


def test_each_group_has_its_temperature(tiny_model):
    loaded = Model.load(tiny_model, threads=1)
    own = loaded.info.evidence.temperature
    assert Judging(loaded, 43, dances="latin", nothing_else=True).evidence.temperature == own
    fitted = {"all": (2.0, 1.5), "latin": (1.3, 1.1)}
    model = Model(replace(loaded.info, group_temperatures=fitted), loaded.engine)

    def temperatures(dances):
        return tuple(
            Judging(model, 43, dances=dances, nothing_else=only).evidence.temperature
            for only in (False, True)
        )

    assert temperatures("all") == (2.0, 1.5)
    assert temperatures("latin") == (1.3, 1.1)
    assert temperatures(["jive", "samba", "rumba", "paso_doble", "cha_cha_cha"]) == (1.3, 1.1)
    assert temperatures("standard") == temperatures("tango,jive") == (2.0, 1.5)


def test_all_that_the_model_knows_and_nothing_else(classifier, tiny_model, tone):
    samples = tone("samba", 30.0)
    closed = Classifier(tiny_model, threads=1, nothing_else=True)
    assert closed.labels == classifier.labels
    assert closed.classify_samples(samples, RATE).dance == "samba"


@pytest.mark.parametrize(
    "options",
    [
        {"dances": "waltzing"},
        {"dances": []},
        {"min_confidence": 1.5},
        {"min_confidence": float("nan")},
        {"aggregation": "median"},
        {"dances": "eleven"},
        {"stride": 0},
    ],
)
def test_wrong_options_are_named(tiny_model, options):
    (name,) = options
    with pytest.raises(ParameterError, match=name):
        Classifier(tiny_model, **options)
    with pytest.raises(ParameterError, match=name):
        LiveClassifier(RATE, model=tiny_model, **options)


def test_two_dances_that_fit_are_both_said(tiny_model, tone):
    one, other = tone("rumba", 12.0), tone("cha_cha_cha", 12.0)
    ratio = np.sqrt(melspectrogram(one).sum() / melspectrogram(other).sum())
    both = (one + ratio * other) / 2
    prediction = Classifier(tiny_model, threads=1).classify_samples(both, RATE)
    assert prediction.verdict == "two"
    assert {prediction.best, *prediction.also} == {"rumba", "cha_cha_cha"}
    assert prediction.dance is None


def test_scores_sum_to_one_and_rank(classifier, tone):
    prediction = classifier.classify_samples(tone("jive", 12.0), RATE)
    assert sum(prediction.scores.values()) == pytest.approx(1)
    assert tuple(prediction.scores) == (*DANCE_KEYS, OTHER)
    ranked = prediction.ranked()
    assert ranked[0][0] == "jive"
    assert [score for _, score in ranked] == sorted(prediction.scores.values(), reverse=True)
    assert prediction.ranked(2) == ranked[:2]


@pytest.mark.parametrize("shift", [0, 120])
def test_silence_before_the_music_moves_the_grid_of_segments_and_nothing_else(shift):
    """Five minutes of it, by the shipped model: the same as what moves the grid as far without them."""
    example = Path(__file__).parents[2] / "examples" / "rumba.ogg"
    samples, rate = audio.read(example)
    music = melspectrogram(samples, sample_rate=rate)
    classifier, n_silent = Classifier(threads=1), 64

    def heard(silence):
        return classifier.classify_spectrogram(np.concatenate([np.zeros((silence, 224), np.float32), music]))

    late, moved = heard(n_silent * DEFAULT_STRIDE + shift), heard(shift)
    np.testing.assert_allclose(late.segment_scores[n_silent:], moved.segment_scores, atol=1e-5)
    assert (late.dance, late.verdict) == (moved.dance, moved.verdict)
    assert late.confidence == pytest.approx(moved.confidence, abs=1e-4)
    assert late.tempo_bpm == pytest.approx(moved.tempo_bpm, abs=0.2)
