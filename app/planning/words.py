"""
The words that carry a task's shape, and how a text becomes a search query.

Every pattern here runs on text whose white space is single blanks, has no nested repetition and is
applied to at most `READ_CHARS_MAX` characters, so a hostile text costs no more than a long one.
"""

import re

#: Of a longer text its beginning and its end are read: what is asked stands there.
READ_CHARS_MAX, READ_END_CHARS = 4_000, 1_000
MEMBERS_MAX = 40
SUBJECT_CHARS_MAX = 120
QUERY_WORDS_MAX = 24
QUERY_CHARS_MAX = 400

_STOPWORDS = (
    "a about across actually after against all also although am an and any are as at be because been before being "
    "don't how's i'm i've isn't it's let's that's there's what's where's who's really truly may might "
    "below between both but by can could did do does doing done during each either etc few following for from further "
    "had has have having he her here his how i if in into is it its itself just kind let like me more most my need no "
    "nor now of off on once one ones only onto or other our out over own per please regarding same shall she should "
    "so some such than that the their them then there these they this those through to too under until up upon us "
    "very via vs versus want was way ways we were what when where whether which while who whom whose why will with "
    "within without would you your"
)
_EMPTY_VERBS = (
    "approach approaches compare compares cope copes deal deals differ differs different handle handles handled "
    "implement implements manage manages offer offers provide provides support supports treat treats say says better "
    "best worse worst"
)
#: What people mean by the words that carry a task's shape.
_SPELLINGS = (
    "vs.:vs w/:with w.r.t.:regarding pls:please plz:please hwo:how waht:what wat:what whats:what's hows:how's "
    "wich:which whitch:which teh:the shoud:should diffrence:difference diffrences:differences differnce:difference "
    "differnces:differences diference:difference diferences:differences differance:difference betwen:between "
    "beetween:between comparision:comparison comparsion:comparison comapre:compare compair:compare summerize:summarize "
    "summerise:summarise sumarize:summarize sumarise:summarise advantges:advantages adventages:advantages "
    "disadvantges:disadvantages explian:explain explane:explain desribe:describe anaylze:analyze recomend:recommend "
    "reccomend:recommend"
)
_PREDICATE_VERBS = (
    "achieve allow avoid become behave break build cache cause change clean connect consume control create decide "
    "define delete deliver detect encode ensure evolve expire expose fail fit guarantee help integrate invoke keep "
    "limit load lock log look make measure model order parse perform persist prevent protect publish react read "
    "recover reject reload represent resolve respond retry route run scale schedule secure send serialize serve "
    "solve start stop store stream test track use validate wait work write"
)
STOPWORDS = frozenset(_STOPWORDS.split())
#: Verbs that say nothing about the aspect itself: "handle retries" is a question about retries.
EMPTY_VERBS = frozenset(_EMPTY_VERBS.split())
_NOUNS_TOO = frozenset({"support", "approach", "approaches"})
#: Where "how A and B handle X" has its verb.
PREDICATE_VERBS = EMPTY_VERBS.union(*((verb, f"{verb}s") for verb in _PREDICATE_VERBS.split()))

SPELLINGS = dict(pair.rsplit(":", 1) for pair in _SPELLINGS.split())

LEAD_VERB = (
    r"(?:summari[sz]e|analy[sz]e|explain|describe|research|retrieve|investigate|outline|discuss|review|study|examine|"
    r"explore|define|evaluate|assess|identify|list|check|verify|collect|gather|search for|find out|"
    r"find (?:me )?(?:everything|anything|all|information|material)(?: there is| you can)?|find|look up|"
    r"look into|read|report on|fact-?check|tell (?:me|us)|show (?:me|us)|give (?:me|us)|help me understand|compare)"
)
LEAD = re.compile(
    rf"(?:{LEAD_VERB}(?:,? and (?:then )?|, ))?(?:{LEAD_VERB}(?:,? and (?:then )?|, ))?{LEAD_VERB}\b(?! and ):?"
    r"(?: about| on| into| of)?:? ?",
    re.IGNORECASE,
)
POLITE = re.compile(
    r"(?:please,? |kindly |hi,? |hello,? |hey,? |(?:can|could|would|will) you (?!rather )(?:please )?|"
    r"i(?: would|'d) like (?:you )?to (?:know )?|"
    r"i (?:want|need) (?:you )?to (?:know )?|let us |let's |help me (?:to )?|and |then |also,? |finally,? |next,? |"
    r"first(?:ly)?,? |second(?:ly)?,? |third(?:ly)?,? |lastly,? )",
    re.IGNORECASE,
)
DOCUMENT = (
    r"(?:report|summary|overview|comparison|essay|article|brief|briefing|analysis|memo|note|introduction|guide|"
    r"explanation|outline|document|paper|review|post|section|paragraph|table|list)s?"
)
TOPIC = re.compile(
    r"(?:write|produce|draft|prepare|create|generate|provide|make|compile|deliver|present|give|do)(?: me| us)? "
    rf"(?:[^ ]{{1,30}} ){{0,5}}?{DOCUMENT} "
    r"(?:on|about|of|covering|comparing|contrasting|describing|explaining|summari[sz]ing|into|between|that covers|"
    r"that explains|that describes):? ",
    re.IGNORECASE,
)
#: A request for instructions, up to what they are for.
GUIDE = re.compile(
    r"(?:(?:write|give|create|make|prepare|draft|produce|provide|what are|list)(?: me| us)? )?(?:an? |the |all )?"
    r"(?:(?:short|quick|simple|detailed|complete|beginner'?s?) )?"
    r"(?:(?:step[- ]by[- ]step )?(?:steps?|guide|tutorial|instructions?|walk-?through|recipe|checklist|procedure)"
    r"(?: (?:to|for|on how to|how to|in|on)|(?=: ))|"
    r"(?:what|which) steps (?:are|do|should|must) [^ ]{1,20}(?: to)?|step[- ]by[- ]step,?:?|"
    r"(?:walk|talk|guide) me through):? ",
    re.IGNORECASE,
)
#: Asks for instructions.
HOWTO = re.compile(
    r"\b(?:how (?:(?:do|does|can|should|would|could|must|might) (?:i|you|one)|(?:can|should|could) we|to)\b|"
    r"(?:steps?|guide|tutorial|instructions?|walk-?through|recipe|checklist|procedure)"
    r"(?: (?:to|for|on how to|how to) |: )|(?:what|which) steps |"
    r"(?:best|easiest|right|recommended) way to |step[- ]by[- ]step\b|walk me through |teach me |"
    r"what (?:do|must|should) (?:i|we|you|one) (?:(?:have|need) to )?do\b(?! (?:about|with) (?:it|that|this)\b))",
    re.IGNORECASE,
)
SOURCES = re.compile(
    r"what (?:do |does )?(?:the |these |those |my |our )?(?:documents?|docs|sources?|files?|texts?|notes?|articles?|"
    r"papers?) (?:says?|tells? us|states?) (?:about|on) ",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"(?:what|how|why|when|where|which|who|whose|is|are|was|were|do|does|did|can|could|should|will|would|has|have)\b",
    re.IGNORECASE,
)
#: The beginning of a question that asks for more than yes or no.
ASKING = re.compile(r"(?:what|how|why|when|where|which|who|whose)(?:'s|'re)? [^ ]", re.IGNORECASE)
PRONOUN = re.compile(r"\b(?:it|its|they|them|their|this|these|those|that one|the former|the latter)\b", re.IGNORECASE)

SCHEME = re.compile(r"\bhttps?://", re.IGNORECASE)
_WORD = re.compile(r"[^ ,;:!?()\[\]{}<>\"“”„«»`|]+")
_LIST = re.compile(r" ?,(?: |(?=[^\W\d]))(?:and |or )?| (?:and|or|&|\+|vs|versus|as well as|plus|/) ", re.IGNORECASE)
_LIST_WIDE = re.compile(
    r" ?,(?: |(?=[^\W\d]))(?:and |or )?| (?:and|or|&|\+|vs|versus|as well as|plus|/|with|to|against) ", re.IGNORECASE
)
_ARTICLES = re.compile(r"(?:both |either |between |among |the |an? |and |or )", re.IGNORECASE)
#: What has no place in a line: control and format characters, halves of characters.
_INVISIBLE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_DASHES = str.maketrans({0x2013: "-", 0x2014: "-"})
_MARKS = re.compile(r"([?!])[?!]+")
_EDGES = " .,;:!?\"'“”„«»`()[]"


def clean(goal: str) -> list[str]:
    """The lines of a text without control characters, each with single blanks; `READ_CHARS_MAX` in all."""
    text = goal
    if len(goal) > READ_CHARS_MAX:
        text = f"{goal[: READ_CHARS_MAX - READ_END_CHARS - 1]}\n{goal[-READ_END_CHARS:]}"
    if not text.isprintable():
        text = _INVISIBLE.sub(" ", text)
    text = text.translate(_DASHES)
    lines = (" ".join(SPELLINGS.get(word.lower(), word) for word in line.split()) for line in text.splitlines())
    return [_MARKS.sub(r"\1", line) for line in lines if line]


def query(text: str) -> str:
    """The words worth searching for, in order, each once."""
    words = [word.strip(_EDGES) for word in _WORD.findall(SCHEME.sub("", text))]
    words = [word for word in words if any(map(str.isalnum, word))]
    kept = [word for word in words if word.lower() not in STOPWORDS] or words
    unique = list({word.casefold(): word for word in reversed(kept)}.values())[::-1]
    return " ".join(unique[:QUERY_WORDS_MAX])[:QUERY_CHARS_MAX].strip()


def aspect_query(text: str) -> str:
    """The same for what is asked about several subjects alike; verbs such as "handle" are left out."""
    words = [word for word in text.split() if word.strip(_EDGES).lower() not in EMPTY_VERBS - _NOUNS_TOO]
    return query(" ".join(words)) if words else ""


def split_list(text: str, *, wide: bool = False) -> list[str]:
    """The members of "A, B and C"; `wide` also takes "A with B" and "A to B" apart."""
    members = (name(member) for member in (_LIST_WIDE if wide else _LIST).split(text, MEMBERS_MAX))
    return list({member.casefold(): member for member in reversed([m for m in members if m])}.values())[::-1]


def name(text: str) -> str:
    """A subject as a heading would call it: no quotes, no article, no full stop."""
    text = text.strip(_EDGES)
    for _ in range(3):
        text = _ARTICLES.sub("", text, count=1) if _ARTICLES.match(text) else text
    return text.strip(_EDGES)[:SUBJECT_CHARS_MAX].strip()


def topic(text: str) -> str:
    """A request without its politeness and its imperative: what it is about."""
    for pattern in (POLITE, POLITE, GUIDE, TOPIC, LEAD, SOURCES):
        if match := pattern.match(text):
            text = text[match.end() :]
    return text.strip()
