"""An agent that does nothing, to measure everything else."""

from actors.agent import StepContext, StepInput, StepOutput, agent


@agent("noop")
async def noop(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput()
