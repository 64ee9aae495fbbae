"""A project with boto3, as there are many: its tests set the environment of Lambda, and import the functions."""

import os
import sys
from pathlib import Path

import moto.core  # noqa: F401 - before any client is created, or moto does not see its requests

os.environ.update(
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    PRICE_FUNCTION="price-test",
)
sys.path.insert(0, str(Path(__file__).parent))
