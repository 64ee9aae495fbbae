"""May this function call that one?"""

import boto3
from botocore.exceptions import ClientError

client = boto3.client("lambda")


def handler(event, context):
    try:
        return client.invoke(FunctionName=event["function"], InvocationType="DryRun")["StatusCode"] == 204
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "AccessDeniedException":
            return False
        raise
