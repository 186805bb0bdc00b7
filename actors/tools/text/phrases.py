"""Takes the phrases out of a question: what it is about, without the words that only ask."""

import re

from actors.tools.text.words import COMPOUND, TOKEN, compounds, content_words, stem, word_set

PHRASE_WORDS_MAX = 4

_GRADES = word_set(
    "long short fast slow big large small high low old new late early near cheap safe great strong weak hard"
)
NO_ADVERBS = word_set("reply supply apply assembly family anomaly monopoly comply multiply italy imply rely butterfly")
ASKING = frozenset(
    form for word in _GRADES for form in (f"{word}er", f"{word}est", f"{word}r", f"{word}st")
) | word_set(
    """best better worst worse good bad biggest bigger easiest easier happen happens happened mean means meant want
    wants become becomes exist exists matter matters able possible kind kinds type types sort sorts example examples
    instance reason reasons purpose important importance different several certain many much far often usual common main
    kept keep keeps get gets got go goes need needs needed take takes taken come comes recommended allowed there
    first last next people someone anything something everything"""
)


#: In what form the answer is wanted.
FORM = re.compile(
    r"\bin (?:(?:about|at most|under|no more than) )?"
    r"(?:\d{1,4}|an?|one|two|three|four|five|six|seven|eight|nine|ten|a few) "
    r"(?:(?:short|brief|concise|simple|single|plain) )?"
    r"(?:bullets?(?: points?)?|points|sentences?|words|paragraphs?|lines?)\b|\bin bullets?(?: points?)?\b|"
    r"\bas an? (?:short )?(?:table|list|bullet(?:ed)? list)\b|\bfor (?:an? )?(?:absolute )?(?:beginners?|newcomers?)\b",
    re.IGNORECASE,
)
#: "How long", "how fast": the measure that is asked for.
HOW = re.compile(rf"\bhow ({'|'.join(sorted(_GRADES))})\b", re.IGNORECASE)
#: Nouns that add nothing to another one: "retry behaviour" is about retries.
VAGUE = frozenset(map(stem, word_set(
    "behaviour behavior handling strategy support management mechanism feature option usage detail procedure aspect"
)))  # fmt: skip


def phrases(text: str, taken: frozenset[str] = frozenset()) -> list[tuple[str, list[str]]]:
    """
    Each phrase as it stands in the text, with its content words; `taken` are stems that are no topic.

    Words that only ask are left out, unless there are no others.
    """
    text = FORM.sub(lambda form: " " * len(form[0]), text)
    left = [word for word in content_words(text) if stem(word) not in taken]
    how = {match[1].lower() for match in HOW.finditer(text)}
    telling = [word for word in left if not only_asks(word) and word.lower() not in how] or left
    runs: list[tuple[int, int, list[str]]] = []
    for match in COMPOUND.finditer(text):
        for word in [match[0]] if compounds(match[0]) else TOKEN.findall(match[0]):
            if word not in telling:
                continue
            telling = [other for other in telling if other != word]
            if runs and len(runs[-1][2]) < PHRASE_WORDS_MAX and not text[runs[-1][1] : match.start()].strip(" -"):
                runs[-1] = (runs[-1][0], match.end(), [*runs[-1][2], word])
            else:
                runs.append((match.start(), match.end(), [word]))
    return [(" ".join(text[start:end].split()), words) for start, end, words in runs]


def telling_words(words: list[str]) -> list[str]:
    """Without vague nouns, as long as there are others."""
    return [word for word in words if stem(word) not in VAGUE] or words


def only_asks(word: str) -> bool:
    """Whether the word tells how something is asked about, not what: "longest", "exactly", "happens"."""
    lower = word.lower()
    adverb = lower.endswith("ly") and len(lower) > 5 and lower not in NO_ADVERBS
    return adverb or lower in ASKING
