"""MLflow's scoring server for the model that its variable names, as an ASGI app: `uvicorn flows.registry.app:app`.

Predictions are asked for here, not in MLflow: it takes "0.5" and true for numbers and reads CSV, too, and its errors
hold the whole input or a stack trace.
"""

import asyncio
import os
from io import StringIO
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import load_model, scoring_server

from flows.registry.inputs import InputError, read_inputs
from flows.registry.serve import MODEL_VARIABLE, TITLE_VARIABLE

JSON = "application/json"
TITLE = quote(os.environ[TITLE_VARIABLE], safe=" ()@/")  # a header holds no other letters

app = FastAPI()
model = load_model(os.environ[MODEL_VARIABLE])
(takes,) = model.metadata.get_input_schema().inputs


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    """The predictions, with the version that made them as the header X-Model. 415 for a body that is not said to be
    JSON, 400 for one that the model does not take; both with the reason."""
    kind = request.headers.get("content-type") or "none"
    if kind.partition(";")[0].strip().lower() == JSON:
        response = await asyncio.to_thread(answer, await request.body())
    else:
        response = JSONResponse({"message": f"expected the header Content-Type: {JSON}; found {kind}"}, 415)
    response.headers["X-Model"] = TITLE
    return response


def answer(body: bytes) -> Response:
    """What the model says to a body, or what is wrong with it."""
    try:
        counts = model.predict(read_inputs(body, takes.shape, takes.type))
    except InputError as error:
        return JSONResponse({"message": str(error)}, 400)
    except MlflowException as error:
        return JSONResponse({"message": error.message}, error.get_http_status_code())
    text = StringIO()
    scoring_server.predictions_to_json(counts, text)
    return Response(text.getvalue(), media_type=JSON)


app.mount("/", scoring_server.init(model))  # /health and the like
