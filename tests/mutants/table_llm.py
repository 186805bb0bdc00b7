"""The mutations of the door to a language model, and of the planner behind it."""

from .mutation import Mutation

ASKING = "tests/unit/llm/test_asking.py"
TROUBLE = "tests/unit/llm/test_trouble.py"
STRUCTURED = "tests/unit/llm/test_structured.py"
PLANNING = "tests/integration/api/test_llm_planning.py"
STEPS = "tests/integration/dispatch/test_llm_steps.py"

LLM = (
    Mutation(
        "llm: an answer is asked for again and again",
        "app/llm/conversation.py",
        "        if known is not None:\n",
        "        if False:\n",
        (f"{STEPS}::test_a_step_that_runs_again_pays_once",),
    ),
    Mutation(
        "llm: what broke off is told nowhere",
        "app/llm/conversation.py",
        "            if answer.asked:\n",
        "            if answer.over:\n",
        (f"{TROUBLE}::test_a_stream_that_falls_silent_is_given_up",),
    ),
    Mutation(
        "llm: an answer may have any size",
        "app/llm/http.py",
        "            if self._left < 0:\n",
        "            if False:\n",
        (f"{TROUBLE}::test_an_answer_that_goes_on_is_given_up",),
    ),
    Mutation(
        "llm: whatever the SDK says is sent",
        "app/llm/http.py",
        "            del request.headers[name]\n",
        "            pass\n",
        (f"{ASKING}::test_a_question_says_what_it_must_and_no_more",),
    ),
    Mutation(
        "llm: a server repeats the key in an error",
        "app/llm/refusals.py",
        '        text = text.replace(api_key, "[redacted]")\n',
        "        pass\n",
        (f"{TROUBLE}::test_a_refusal_is_final_and_names_the_setting",),
    ),
    Mutation(
        "llm: an answer that is cut off is taken",
        "app/llm/structured.py",
        '    if reply.finish == "length":\n',
        "    if False:\n",
        (f"{STRUCTURED}::test_an_unusable_answer_is_mended_once",),
    ),
    Mutation(
        "llm: text from outside may hold its own mark",
        "app/llm/fence.py",
        '    return f"{head}\\n{text}\\n{code} DATA>>>"\n',
        '    return f"{head}\\n{text}\\nDATA>>>"\n',
        (f"{STRUCTURED}::test_text_from_outside_cannot_close_its_fence",),
    ),
    Mutation(
        "llm: a silent server is waited for",
        "app/llm/client.py",
        "            return max(0.0, self.options.first_token_s - answer.age_s)\n",
        "            return self.options.total_s\n",
        (f"{TROUBLE}::test_a_server_that_says_nothing_is_given_up",),
    ),
    Mutation(
        "llm: a repeated submission pays again",
        "app/dispatch/dispatcher.py",
        "            if known is not None:\n",
        "            if False:\n",
        (f"{PLANNING}::test_a_repeated_submission_asks_the_model_once",),
    ),
    Mutation(
        "llm: a plan without a report is run",
        "app/planning/draft.py",
        "    if WRITER in known and steps[-1].agent != WRITER:\n",
        "    if False:\n",
        (f"{PLANNING}::test_a_plan_that_nobody_would_draw_goes_back_once",),
    ),
    Mutation(
        "llm: a request waits for the model as long as it likes",
        "app/planning/llm_planner.py",
        "            async with asyncio.timeout(self.s_max):\n",
        "            async with asyncio.timeout(None):\n",
        (f"{PLANNING}::test_a_model_that_takes_too_long_leaves_it_to_the_rules",),
    ),
    Mutation(
        "llm: what planning took is not counted",
        "app/dispatch/intake.py",
        "        *taken(intake.planned.events),\n",
        "        *taken([]),\n",
        (f"{PLANNING}::test_the_model_plans_when_it_is_asked_to",),
    ),
)
