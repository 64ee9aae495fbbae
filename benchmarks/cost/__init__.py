"""What a call costs: boto3, botocore, aiobotocore, lambdachain and a raw socket compared."""
