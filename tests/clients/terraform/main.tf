terraform {
  required_providers { aws = { source = "hashicorp/aws", version = "3.39.0" } }
}
variable "endpoint" {}
provider "aws" {
  region                      = "us-east-1"
  s3_force_path_style         = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    s3     = var.endpoint
    sqs    = var.endpoint
    sts    = var.endpoint
    cloudwatchlogs = var.endpoint
  }
}
data "aws_caller_identity" "me" {}
resource "aws_iam_role" "run" {
  name = "tf-run"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
  tags = { made = "terraform" }
}
resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.run.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
}
resource "aws_iam_policy" "read" {
  name   = "tf-read"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = "${aws_s3_bucket.in.arn}/*" }]
  })
}
resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.run.name
  policy_arn = aws_iam_policy.read.arn
}
resource "aws_cloudwatch_log_group" "run" {
  name              = "/aws/lambda/tf-run"
  retention_in_days = 7
}
resource "aws_lambda_layer_version" "common" {
  layer_name          = "tf-common"
  filename            = "layer.zip"
  source_code_hash    = filebase64sha256("layer.zip")
  compatible_runtimes = ["provided.al2"]
}
resource "aws_lambda_function" "run" {
  function_name    = "tf-run"
  role             = aws_iam_role.run.arn
  runtime          = "provided.al2"
  handler          = "bootstrap"
  filename         = "function.zip"
  source_code_hash = filebase64sha256("function.zip")
  layers           = [aws_lambda_layer_version.common.arn]
  publish          = true
  timeout          = 10
  environment { variables = { BUCKET = aws_s3_bucket.in.bucket } }
  depends_on       = [aws_cloudwatch_log_group.run, aws_iam_role_policy_attachment.basic]
}
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.run.function_name
  function_version = aws_lambda_function.run.version
}
resource "aws_s3_bucket" "in" {
  bucket        = "tf-in"
  force_destroy = true
}
resource "aws_lambda_permission" "s3" {
  statement_id  = "s3"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.run.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "s3.amazonaws.com"
  source_arn    = aws_s3_bucket.in.arn
}
resource "aws_s3_bucket_notification" "in" {
  bucket = aws_s3_bucket.in.id
  lambda_function {
    lambda_function_arn = aws_lambda_alias.live.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "in/"
  }
  depends_on = [aws_lambda_permission.s3]
}
resource "aws_sqs_queue" "work" {
  name                       = "tf-work"
  visibility_timeout_seconds = 60
}
resource "aws_lambda_event_source_mapping" "work" {
  event_source_arn = aws_sqs_queue.work.arn
  function_name    = aws_lambda_alias.live.arn
  batch_size       = 5
}
output "account" { value = data.aws_caller_identity.me.account_id }
output "function" { value = aws_lambda_alias.live.arn }
