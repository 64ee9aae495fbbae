# Packages: `python build.py` writes ../build/dependencies. Deploy: terraform init && terraform apply

terraform {
  required_version = ">= 1.5"
  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80"
    }
  }
}

locals {
  runtime      = "python3.13"
  architecture = "arm64"
}

data "archive_file" "package" {
  for_each = {
    checkout     = "${path.module}/../checkout"
    pricing      = "${path.module}/../pricing"
    contracts    = "${path.module}/../contracts"
    dependencies = "${path.module}/../build/dependencies"
  }
  type        = "zip"
  source_dir  = each.value
  output_path = "${path.module}/.terraform/packages/${each.key}.zip"
}

resource "aws_lambda_layer_version" "shared" {
  for_each            = toset(["dependencies", "contracts"])
  layer_name          = "deployed-${each.key}"
  filename            = data.archive_file.package[each.key].output_path
  source_code_hash    = data.archive_file.package[each.key].output_base64sha256
  compatible_runtimes = [local.runtime]
}

# A role for each function.

data "aws_iam_policy_document" "assumed_by_lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_partition" "current" {}

resource "aws_iam_role" "function" {
  for_each           = toset(["checkout", "pricing"])
  name_prefix        = "${each.key}-"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_lambda.json
}

resource "aws_iam_role_policy_attachment" "logs" {
  for_each   = aws_iam_role.function
  role       = each.value.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy_attachment" "traces" {
  for_each   = aws_iam_role.function
  role       = each.value.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AWSXRayDaemonWriteAccess"
}

data "aws_iam_policy_document" "checkout" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.pricing.arn]
  }
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed_baskets.arn]
  }
}

resource "aws_iam_role_policy" "checkout" {
  role   = aws_iam_role.function["checkout"].id
  policy = data.aws_iam_policy_document.checkout.json
}

# The callee, and the alias that the caller calls.

resource "aws_lambda_function" "pricing" {
  function_name    = "pricing"
  role             = aws_iam_role.function["pricing"].arn
  runtime          = local.runtime
  architectures    = [local.architecture]
  handler          = "pricing_function.handler"
  filename         = data.archive_file.package["pricing"].output_path
  source_code_hash = data.archive_file.package["pricing"].output_base64sha256
  layers           = [for layer in aws_lambda_layer_version.shared : layer.arn]
  memory_size      = 512
  timeout          = 5
  publish          = true

  tracing_config {
    mode = "Active"
  }

  # A caller waits for its callee's cold start.
  snap_start {
    apply_on = "PublishedVersions"
  }
}

resource "aws_lambda_alias" "pricing" {
  name             = "live"
  function_name    = aws_lambda_function.pricing.function_name
  function_version = aws_lambda_function.pricing.version
}

# The caller.

resource "aws_lambda_function" "checkout" {
  function_name    = "checkout"
  role             = aws_iam_role.function["checkout"].arn
  runtime          = local.runtime
  architectures    = [local.architecture]
  handler          = "checkout_function.handler"
  filename         = data.archive_file.package["checkout"].output_path
  source_code_hash = data.archive_file.package["checkout"].output_base64sha256
  layers           = [for layer in aws_lambda_layer_version.shared : layer.arn]
  memory_size      = 512
  timeout          = 20 # the callee's timeout, and time for a retry
  publish          = true

  environment {
    variables = {
      PRICING_FUNCTION = aws_lambda_alias.pricing.arn
    }
  }

  tracing_config {
    mode = "Active"
  }
}

resource "aws_lambda_alias" "checkout" {
  name             = "live"
  function_name    = aws_lambda_function.checkout.function_name
  function_version = aws_lambda_function.checkout.version
}

# Its events: two retries, then the queue.

resource "aws_sqs_queue" "failed_baskets" {
  name_prefix               = "failed-baskets-"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

resource "aws_lambda_function_event_invoke_config" "checkout" {
  function_name          = aws_lambda_function.checkout.function_name
  qualifier              = aws_lambda_alias.checkout.name
  maximum_retry_attempts = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed_baskets.arn
    }
  }
  depends_on = [aws_iam_role_policy.checkout] # Lambda checks that the role may send to the queue
}

output "checkout_alias" {
  value = aws_lambda_alias.checkout.arn
}
