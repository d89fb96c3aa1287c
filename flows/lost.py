"""Runs that were killed: Prefect's records say Running for ever, unless somebody who knows better closes them."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

from flows.params import Project
from flows.running import read_servers


def close_lost_runs(project: Project) -> None:
    """Mark every other running flow run as crashed: who holds the state folder knows that nothing else runs on it.

    Only on this state folder's own Prefect server; on one that others use, their runs are not ours to judge.
    """
    own = read_servers(project.state).get("prefect")
    if project.prefect_url and (own is None or project.prefect_url != f"{own.url}/api"):
        return
    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=running):
            if str(run.id) != flow_run.id:
                client.set_flow_run_state(run.id, Crashed(message="Its process was killed."), force=True)
