"""MLflow's scoring server for the model that its variable names, as an ASGI app: `uvicorn flows.registry.app:app`.

MLflow answers most bad requests with 400 and the reason. Of those here it would say no more than 500.
"""

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from mlflow.pyfunc.scoring_server.app import app

JSON = "application/json"


@app.middleware("http")
async def require_type(request: Request, call_next) -> Response:
    """415 for a body that does not say what it is."""
    if request.method == "POST" and not request.headers.get("content-type"):
        return JSONResponse({"message": f"expected the header Content-Type: {JSON}; found none"}, 415)
    return await call_next(request)


@app.exception_handler(RecursionError)
@app.exception_handler(ValueError)
async def not_read(_: Request, error: Exception) -> Response:
    """400 for JSON that Python does not read: lists in lists without end, numbers of thousands of digits."""
    return JSONResponse({"message": f"the body cannot be read: {error}"}, 400)
