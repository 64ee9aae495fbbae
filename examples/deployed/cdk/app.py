"""The system as a CDK app: ``cdk synth``, ``cdk deploy``. ``python build.py`` writes ../build/dependencies before."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Annotations, App, CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

SYSTEM = Path(__file__).resolve().parents[1]
RUNTIME = lambda_.Runtime.PYTHON_3_13


class DeployedStack(Stack):
    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        layers = [self.layer("Dependencies", "build/dependencies"), self.layer("Contracts", "contracts")]

        # A caller waits for its callee's cold start.
        pricing = self.function("Pricing", layers, timeout=5, snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS)
        live = pricing.add_alias("live")
        Annotations.of(pricing).acknowledge_warning("@aws-cdk/aws-lambda:snapStartRequirePublish", "the alias has one")

        # The callee's timeout, and time for a retry.
        checkout = self.function("Checkout", layers, timeout=20, environment={"PRICING_FUNCTION": live.function_arn})
        checkout.add_to_role_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[live.function_arn])
        )
        failed = sqs.Queue(
            self,
            "FailedBaskets",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=Duration.days(14),
        )
        checkout_live = checkout.add_alias("live", retry_attempts=2, on_failure=destinations.SqsDestination(failed))
        CfnOutput(self, "CheckoutAlias", value=checkout_live.function_arn)

    def layer(self, name: str, directory: str) -> lambda_.LayerVersion:
        code = lambda_.Code.from_asset(str(SYSTEM / directory))
        return lambda_.LayerVersion(self, name, code=code, compatible_runtimes=[RUNTIME])

    def function(
        self,
        name: str,
        layers: list[lambda_.LayerVersion],
        *,
        timeout: int,
        environment: dict[str, str] | None = None,
        snap_start: lambda_.SnapStartConf | None = None,
    ) -> lambda_.Function:
        return lambda_.Function(
            self,
            name,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(SYSTEM / name.lower())),
            handler=f"{name.lower()}_function.handler",
            layers=layers,
            memory_size=512,
            timeout=Duration.seconds(timeout),
            tracing=lambda_.Tracing.ACTIVE,
            environment=environment,
            snap_start=snap_start,
        )


app = App()
DeployedStack(app, "Deployed")
app.synth()
