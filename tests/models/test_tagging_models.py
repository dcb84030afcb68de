from typing import Any

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.models.ner_model import NERModel
from model_serving.models.pos_model import POSModel
from model_serving.models.tagger import Tagger

TEXT = "王小明在北京大学读书，家在上海。\r\nHe likes Python 3.11，联合国 😀。"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger()


def test_tagger_is_loaded_when_it_is_made(tagger: Tagger) -> None:
    assert jieba.dt.initialized
    assert tagger.tag("北京").__next__().tag == "ns"


@given(
    st.text(
        st.sampled_from("我北京上海大学王小明 \r\n\t\x00ab1.-，。\u3000😀é\u2028") | st.characters()
    )
)
@settings(deadline=None, max_examples=300)
def test_tokens_cover_the_text_and_stand_at_their_offsets(text: str) -> None:
    tokens = list(Tagger().tag(text))
    assert "".join(token.text for token in tokens) == text
    assert all(text[token.start : token.end] == token.text for token in tokens)


def test_pos_model_tags_words_without_the_white_space() -> None:
    (tokens,) = POSModel().predict([TEXT])
    tags = {token["text"]: token["tag"] for token in tokens}
    assert (tags["王小明"], tags["读书"], tags["上海"]) == ("nr", "n", "ns")
    assert not any(token["text"].isspace() for token in tokens)


def test_ner_model_finds_persons_places_and_organisations() -> None:
    (entities,) = NERModel().predict([TEXT])
    found = {entity["text"]: entity["type"] for entity in entities}
    assert found == {
        "王小明": "person",
        "北京大学": "organisation",
        "上海": "place",
        "联合国": "organisation",
    }
    assert all(TEXT[entity["start"] : entity["end"]] == entity["text"] for entity in entities)


@pytest.mark.parametrize("model", [POSModel, NERModel])
def test_batch_of_texts_answers_as_single_texts(model: Any) -> None:
    texts = [TEXT, "", "   ", "English only", "上海"]
    assert model().predict(texts) == [model().predict([text])[0] for text in texts]
