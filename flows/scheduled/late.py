"""Has Prefect's server itself say that a run is late: nothing else is there to notice it."""

import json
from contextlib import suppress

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.notification import webhook

NAME = "snnprune: a run is late"
BLOCK = "snnprune-webhook"
TEXT = (  # the server fills it in
    "snnprune: {{ flow_run.parameters.get('experiment', flow_run.name) }}"
    "{% if deployment %} ({{ deployment.name }}){% endif %} is late: it should have started at "
    "{{ flow_run.expected_start_time }}; is `snnprune deploy` up, or does another run take its time?"
    "{% if flow_run|ui_url %}\nPrefect: {{ flow_run|ui_url }}{% endif %}"
)


def tell_of_late_runs() -> None:
    """Make the automation that posts a message for each run that does not start in time, in the place of an older one.
    The address is kept in a block, whose secrets Prefect encrypts, and hides from all who do not ask its API for them.
    Where nobody wants messages both are deleted."""
    url = webhook()
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
        if url is None:
            with suppress(ObjectNotFound):
                old = client.read_block_document_by_name(BLOCK, Webhook.get_block_type_slug(), include_secrets=False)
                client.delete_block_document(old.id)
            return
        block = Webhook(method="POST", url=url, headers={"Content-Type": "application/json"})
        action = CallWebhook(block_document_id=block.save(BLOCK, overwrite=True), payload=json.dumps({"text": TEXT}))
        client.create_automation(AutomationCore(name=NAME, trigger=each_late_run(), actions=[action]))


def each_late_run() -> EventTrigger:
    """Fires whenever the server finds that a run should have started."""
    return EventTrigger(
        expect={"prefect.flow-run.Late"},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
    )
