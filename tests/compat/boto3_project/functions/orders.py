"""A resource of boto3, and an event."""

import json

import boto3
from boto3.dynamodb.conditions import Key

table = boto3.resource("dynamodb").Table("orders")
client = boto3.client("lambda")


def handler(event, context):
    table.put_item(Item={"id": event["id"], "cents": event["cents"]})
    client.invoke(FunctionName="order-placed", InvocationType="Event", Payload=json.dumps(event))
    return table.query(KeyConditionExpression=Key("id").eq(event["id"]))["Count"]
