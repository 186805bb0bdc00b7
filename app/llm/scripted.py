"""A model that says what it is told to: for the tests of agents that ask one."""

from collections.abc import AsyncGenerator, Sequence

from app.llm.answer import Answer
from app.llm.conversation import PIECE_CHARS, Conversation
from app.llm.memory import Memory
from app.llm.options import LlmOptions
from app.llm.question import Question
from app.model.events import LlmUsage
from app.model.llm import Finish

#: An answer, an answer that ends in this way, or what is raised in place of one.
Scripted = str | tuple[str, Finish] | Exception


class ScriptedLlm(Conversation):
    """
    Gives one prepared answer per call, the last one for ever; `asked` holds the questions, `used` what was told.

    It treats answers as a real one does: forms are checked, a bad one goes back once, memory spares calls. It counts
    no tokens.
    """

    def __init__(self, answers: Sequence[Scripted], memory: Memory | None = None) -> None:
        self.asked: list[Question] = []
        self.used: list[LlmUsage] = []
        self._answers = list(answers)
        super().__init__(self._give, "scripted", self._note, memory)

    async def _note(self, usage: LlmUsage) -> None:
        self.used.append(usage)

    def _give(self, question: Question) -> tuple[Answer, AsyncGenerator[str]]:
        self.asked.append(question)
        answer = Answer(LlmOptions(base_url="", model="scripted"))
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer, _pieces(given, answer)


async def _pieces(given: Scripted, answer: Answer) -> AsyncGenerator[str]:
    answer.begin()
    if isinstance(given, Exception):
        raise given
    text, finish = given if isinstance(given, tuple) else (given, "stop")
    text = answer.take_whole({"choices": [{"message": {"content": text}, "finish_reason": finish}]})
    for start in range(0, len(text), PIECE_CHARS):
        yield text[start : start + PIECE_CHARS]
    answer.end()
