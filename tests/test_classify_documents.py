"""Replies built by ourselves after the vendors' documents: the same faults in wordings that no recorded case has."""

import json

import pytest

from router.classify import classify
from router.faults import Kind
from router.types import Reply

NOW = 1_794_000_000.0

OPENAI = "https://platform.openai.com/docs/guides/error-codes"
AZURE = "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/quota"
ANTHROPIC = "https://platform.claude.com/docs/en/api/errors"
GEMINI = "https://ai.google.dev/gemini-api/docs/troubleshooting"
GOOGLE = "https://docs.cloud.google.com/apis/design/errors"
BEDROCK = "https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html"
MISTRAL = "https://docs.mistral.ai/api/"
COHERE = "https://docs.cohere.com/reference/errors"
GROQ = "https://console.groq.com/docs/errors"
TOGETHER = "https://docs.together.ai/docs/error-codes"
FIREWORKS = "https://docs.fireworks.ai/guides/inference-error-codes"
DEEPINFRA = "https://deepinfra.com/docs/advanced/rate-limits"
OPENROUTER = "https://openrouter.ai/docs/api-reference/errors"
PERPLEXITY = "https://docs.perplexity.ai/guides/rate-limits-usage-tiers"
XAI = "https://docs.x.ai/docs/key-information/debugging"
CEREBRAS = "https://inference-docs.cerebras.ai/support/error"
SAMBANOVA = "https://docs.sambanova.ai/docs/en/resources/api-error-codes"
NVIDIA = "https://docs.api.nvidia.com/nim/reference/status-codes"
HF = "https://huggingface.co/docs/inference-providers"
TGI = "https://huggingface.co/docs/text-generation-inference"
REPLICATE = "https://replicate.com/docs/reference/how-does-replicate-work"
DEEPSEEK = "https://api-docs.deepseek.com/quick_start/error_codes"
MOONSHOT = "https://platform.moonshot.ai/docs/api/chat"
ZHIPU = "https://docs.z.ai/api-reference/api-code"
DASHSCOPE = "https://www.alibabacloud.com/help/en/model-studio/error-code"
QIANFAN = "https://cloud.baidu.com/doc/qianfan-api/s/8m7u6un8a"
QIANFAN_V1 = "https://cloud.baidu.com/doc/WENXINWORKSHOP/s/tlmyncueh"
ARK = "https://www.volcengine.com/docs/82379/1299023"
HUNYUAN = "https://cloud.tencent.com/document/product/1729/101842"
MINIMAX = "https://platform.minimax.io/docs/api-reference/errorcode"
STEPFUN = "https://platform.stepfun.com/docs/guide/error-codes"
SILICONFLOW = "https://docs.siliconflow.cn/cn/faqs/error-code"
SPARK = "https://www.xfyun.cn/doc/spark/HTTP%E8%B0%83%E7%94%A8%E6%96%87%E6%A1%A3.html"
OLLAMA = "https://docs.ollama.com/api/errors"
VLLM = "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"
LLAMACPP = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
NEWAPI = "https://github.com/QuantumNous/new-api"
LITELLM = "https://docs.litellm.ai/docs/proxy/users"
GITHUB = "https://docs.github.com/en/github-models/use-github-models/prototyping-with-ai-models"
CLOUDFLARE = "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/"
CLOUDFLARE_5XX = "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/"
CLOUDFRONT = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-403-permission-denied.html"
WORKERS_AI = "https://developers.cloudflare.com/workers-ai/platform/errors/"
MIMO = "https://platform.xiaomimimo.com/docs/en-US/quick-start/error-codes"
AIHUBMIX = "https://docs.aihubmix.com/cn/FAQs/HTTP-Codes"
UCLOUD = "https://www.ucloud-global.com/en/docs/modelverse/modelverse/modelverse/error-code"
NGINX = "https://nginx.org/en/docs/http/ngx_http_core_module.html"
ENVOY = "https://www.envoyproxy.io/docs/envoy/latest/faq/debugging/why_is_envoy_sending_internal_responses"


def _error(message: str, type_: str | None = None, code: str | int | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": type_, "param": None, "code": code}})


def _claude(type_: str, message: str) -> str:
    return json.dumps({"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_1"})


def _google(code: int, status: str, message: str, **detail: object) -> str:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **detail}] if detail else []
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}})


def _quota(*ids: str) -> str:
    failure = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": each} for each in ids],
    }
    said = "You exceeded your current quota, please check your plan and billing details."
    return json.dumps({"error": {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED", "details": [failure]}})


def _plain(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _page(title: str, text: str = "") -> str:
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>{text}</body></html>"


def _minimax(code: int, message: str) -> str:
    return _plain(base_resp={"status_code": code, "status_msg": message})


def _tencent(code: str, message: str) -> str:
    return _plain(Response={"Error": {"Code": code, "Message": message}, "RequestId": "1"})


def _spark(code: int, message: str) -> str:
    return _plain(header={"code": code, "message": message, "sid": "cht1", "status": 2})


CASES: tuple[tuple[str, str, int, str, Kind, str], ...] = (
    # OpenAI
    ("openai", "rpd", 429, _error("Rate limit reached for gpt-4o in organization org-1 on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.", "requests", "rate_limit_exceeded"), Kind.DAILY_QUOTA, OPENAI),
    ("openai", "rpm", 429, _error("Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", "requests", "rate_limit_exceeded"), Kind.RATE_LIMIT, OPENAI),
    ("openai", "too-large-tpm", 429, _error("Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.", "tokens", "rate_limit_exceeded"), Kind.TOKEN_LIMIT, OPENAI),
    ("openai", "hard-limit", 400, _error("Billing hard limit has been reached", "invalid_request_error", "billing_hard_limit_reached"), Kind.NO_CREDIT, OPENAI),
    ("openai", "no-key", 401, _error("You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth", "invalid_request_error"), Kind.INVALID_KEY, OPENAI),
    ("openai", "wrong-key", 401, _error("Incorrect API key provided: sk-abcd****wxyz. You can find your API key at https://platform.openai.com/account/api-keys.", "invalid_request_error", "invalid_api_key"), Kind.INVALID_KEY, OPENAI),
    ("openai", "terminated", 403, _error("Your access was terminated due to violation of our policies, please check your email for more information.", "access_terminated"), Kind.ACCOUNT_BANNED, OPENAI),
    ("openai", "scopes", 403, _error("You have insufficient permissions for this operation. Missing scopes: model.request. Check that you have the correct role in your organization", "invalid_request_error"), Kind.PERMISSION, OPENAI),
    ("openai", "verify", 400, _error("Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings/organization/general", "invalid_request_error", "unsupported_value_x"), Kind.PERMISSION, OPENAI),
    ("openai", "ip", 401, _error("Your IP address 203.0.113.9 is not authorized to access this project", "invalid_request_error", "ip_not_authorized"), Kind.IP_BLOCKED, OPENAI),
    ("openai", "slow-down", 503, _error("Slow Down. Your request rate suddenly increased. Please reduce it to its original level.", "slow_down_x"), Kind.RATE_LIMIT, OPENAI),
    ("openai", "server-error", 500, _error("The server had an error while processing your request. Sorry about that!", "server_error"), Kind.SERVER_ERROR, OPENAI),
    ("openai", "context", 400, _error("This model's maximum context length is 8192 tokens. However, your messages resulted in 12000 tokens. Please reduce the length of the messages.", "invalid_request_error", "context_length_exceeded"), Kind.CONTEXT_LENGTH, OPENAI),
    ("openai", "max-tokens", 400, _error("max_tokens is too large: 100000. This model supports at most 4096 completion tokens, whereas you provided 100000.", "invalid_request_error", "invalid_value"), Kind.BAD_REQUEST, OPENAI),
    ("openai", "unsupported-parameter", 400, _error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "invalid_request_error", "unsupported_parameter"), Kind.BAD_REQUEST, OPENAI),
    ("openai", "safety", 400, _error("Your request was rejected as a result of our safety system.", "invalid_request_error", "content_policy_violation"), Kind.CONTENT_FILTER, OPENAI),
    ("openai", "project-no-model", 403, _error("Project `proj_1` does not have access to model `gpt-5`", "invalid_request_error", "model_not_found"), Kind.MODEL_NOT_FOUND, OPENAI),
    ("openai", "token-invalidated", 401, _error("Your authentication token has been invalidated. Please try signing in again.", "invalid_request_error", "token_invalidated"), Kind.REVOKED_KEY, OPENAI),
    # Azure
    ("azure", "call-rate", 429, _error("Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 12 seconds.", None, "429"), Kind.RATE_LIMIT, AZURE),
    ("azure", "wrong-key", 401, _error("Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.", None, "401"), Kind.INVALID_KEY, AZURE),
    ("azure", "public-access", 403, _error("Public access is disabled. Please configure private endpoint.", None, "403"), Kind.IP_BLOCKED, AZURE),
    ("azure", "data-action", 401, _error("The principal `x` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform `POST` operation.", None, "PermissionDenied"), Kind.PERMISSION, AZURE),
    ("azure", "high-demand", 429, _error("The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load.", None, "429"), Kind.OVERLOADED, AZURE),
    ("azure", "not-found", 404, _error("Resource not found", None, "404"), Kind.MODEL_NOT_FOUND, AZURE),
    ("azure", "wrong-operation", 400, _error("The chatCompletion operation does not work with the specified model, text-embedding-ada-002. Please choose different model and try again.", None, "OperationNotSupported"), Kind.MODEL_NOT_FOUND, AZURE),
    # Anthropic
    ("anthropic", "input-tokens", 429, _claude("rate_limit_error", "This request would exceed your organization's rate limit of 40,000 input tokens per minute. For details, refer to: https://docs.claude.com/en/api/rate-limits."), Kind.TOKEN_LIMIT, ANTHROPIC),
    ("anthropic", "request-tokens", 429, _claude("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit (https://docs.anthropic.com/en/api/rate-limits)."), Kind.TOKEN_LIMIT, ANTHROPIC),
    ("anthropic", "requests-minute", 429, _claude("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."), Kind.RATE_LIMIT, ANTHROPIC),
    ("anthropic", "daily", 429, _claude("rate_limit_error", "Number of requests has exceeded your daily rate limit. Please try again later."), Kind.DAILY_QUOTA, ANTHROPIC),
    ("anthropic", "529", 529, _claude("overloaded_error", "Overloaded"), Kind.OVERLOADED, ANTHROPIC),
    ("anthropic", "500-overloaded", 500, _claude("api_error", "Overloaded"), Kind.OVERLOADED, ANTHROPIC),
    ("anthropic", "500", 500, _claude("api_error", "Internal server error"), Kind.SERVER_ERROR, ANTHROPIC),
    ("anthropic", "no-model", 404, _claude("not_found_error", "model: claude-9-opus"), Kind.MODEL_NOT_FOUND, ANTHROPIC),
    ("anthropic", "permission", 403, _claude("permission_error", "Your API key does not have permission to use the specified resource."), Kind.PERMISSION, ANTHROPIC),
    ("anthropic", "country", 403, _claude("forbidden", "Request not allowed"), Kind.REGION_BLOCKED, ANTHROPIC),
    ("anthropic", "output-max", 400, _claude("invalid_request_error", "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022"), Kind.BAD_REQUEST, ANTHROPIC),
    ("anthropic", "context-and-max", 400, _claude("invalid_request_error", "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again"), Kind.CONTEXT_LENGTH, ANTHROPIC),
    ("anthropic", "roles", 400, _claude("invalid_request_error", "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1."), Kind.BAD_REQUEST, ANTHROPIC),
    ("anthropic", "oauth-expired", 401, _claude("authentication_error", "OAuth token has expired. Please obtain a new token or refresh your existing token."), Kind.REVOKED_KEY, ANTHROPIC),
    ("anthropic", "account-disabled", 403, _claude("permission_error", "Your account has been disabled after an automatic review of your recent activities."), Kind.ACCOUNT_BANNED, ANTHROPIC),
    ("anthropic", "claude-code-only", 400, _claude("invalid_request_error", "This credential is only authorized for use with Claude Code and cannot be used for other API requests."), Kind.PERMISSION, ANTHROPIC),
    ("anthropic", "timeout", 504, _claude("timeout_error", "The request timed out while processing."), Kind.TIMEOUT, ANTHROPIC),
    # Google
    ("gemini", "per-minute", 429, _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), Kind.RATE_LIMIT, GEMINI),
    ("gemini", "tokens-minute", 429, _quota("GenerateContentInputTokensPerModelPerMinute-FreeTier"), Kind.TOKEN_LIMIT, GEMINI),
    ("gemini", "both-windows", 429, _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"), Kind.DAILY_QUOTA, GEMINI),
    ("gemini", "expired", 400, _google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", reason="API_KEY_INVALID"), Kind.REVOKED_KEY, GEMINI),
    ("gemini", "leaked", 403, _google(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."), Kind.REVOKED_KEY, GEMINI),
    ("gemini", "suspended", 403, _google(403, "PERMISSION_DENIED", "Permission denied: Consumer 'api_key:AIza' has been suspended.", reason="CONSUMER_SUSPENDED"), Kind.ACCOUNT_BANNED, GOOGLE),
    ("gemini", "denied-access", 403, _google(403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."), Kind.ACCOUNT_BANNED, GEMINI),
    ("gemini", "location", 400, _google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), Kind.REGION_BLOCKED, GEMINI),
    ("gemini", "free-tier-country", 400, _google(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."), Kind.REGION_BLOCKED, GEMINI),
    ("gemini", "ip-restriction", 403, _google(403, "PERMISSION_DENIED", "The provided API key has an IP address restriction. The originating IP address of the call (203.0.113.9) violates this restriction.", reason="API_KEY_IP_ADDRESS_BLOCKED"), Kind.IP_BLOCKED, GOOGLE),
    ("gemini", "service-blocked", 403, _google(403, "PERMISSION_DENIED", "Requests to this API generativelanguage.googleapis.com method google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked.", reason="API_KEY_SERVICE_BLOCKED"), Kind.PERMISSION, GOOGLE),
    ("gemini", "unregistered", 403, _google(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."), Kind.INVALID_KEY, GEMINI),
    ("gemini", "no-model", 404, _google(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."), Kind.MODEL_NOT_FOUND, GEMINI),
    ("gemini", "too-long", 400, _google(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), Kind.CONTEXT_LENGTH, GEMINI),
    ("gemini", "bad-json", 400, _google(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "tempreature" at \'generation_config\': Cannot find field.'), Kind.BAD_REQUEST, GEMINI),
    ("gemini", "internal", 500, _google(500, "INTERNAL", "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"), Kind.SERVER_ERROR, GEMINI),
    ("gemini", "billing", 403, _google(403, "PERMISSION_DENIED", "This API method requires billing to be enabled. Please enable billing on project #1", reason="BILLING_DISABLED"), Kind.NO_CREDIT, GOOGLE),
    ("gemini", "blocked-prompt", 200, _plain(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}, usageMetadata={"promptTokenCount": 9}), Kind.CONTENT_FILTER, GEMINI),
    ("gemini", "safety-stop", 200, _plain(candidates=[{"finishReason": "SAFETY", "index": 0}]), Kind.CONTENT_FILTER, GEMINI),
    ("vertex_ai", "no-permission", 403, _google(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p' (or it may not exist).", reason="IAM_PERMISSION_DENIED"), Kind.PERMISSION, GOOGLE),
    ("vertex_ai", "wrong-token", 401, _google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."), Kind.INVALID_KEY, GOOGLE),
    # Bedrock
    ("bedrock", "throttled", 429, _plain(message="Too many requests, please wait before trying again."), Kind.RATE_LIMIT, BEDROCK),
    ("bedrock", "tokens", 429, _plain(message="Too many tokens, please wait before trying again."), Kind.TOKEN_LIMIT, BEDROCK),
    ("bedrock", "no-access", 403, _plain(message="You don't have access to the model with the specified model ID."), Kind.PERMISSION, BEDROCK),
    ("bedrock", "wrong-id", 400, _plain(message="The provided model identifier is invalid."), Kind.MODEL_NOT_FOUND, BEDROCK),
    ("bedrock", "on-demand", 400, _plain(message="Invocation of model ID anthropic.claude-3-7-sonnet-20250219-v1:0 with on-demand throughput isn\u2019t supported. Retry your request with the ID or ARN of an inference profile that contains this model."), Kind.MODEL_NOT_FOUND, BEDROCK),
    ("bedrock", "expired", 403, _plain(message="The security token included in the request is expired"), Kind.REVOKED_KEY, BEDROCK),
    ("bedrock", "unable", 503, _plain(message="Bedrock is unable to process your request."), Kind.OVERLOADED, BEDROCK),
    ("bedrock", "model-error", 424, _plain(__type="ModelErrorException", message="The system encountered an unexpected error during processing. Try your request again."), Kind.SERVER_ERROR, BEDROCK),
    ("bedrock", "iam", 403, _plain(message="User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/m"), Kind.PERMISSION, BEDROCK),
    # Mistral, Cohere, Groq, Together, Fireworks, DeepInfra
    ("mistral", "capacity", 429, _plain(object="error", message="Service tier capacity exceeded for this model.", type="service_tier_capacity_exceeded", param=None, code="3505"), Kind.OVERLOADED, MISTRAL),
    ("mistral", "model", 400, _plain(object="error", message="Invalid model: mistral-giant", type="invalid_model", param=None, code="1500"), Kind.MODEL_NOT_FOUND, MISTRAL),
    ("mistral", "unauthorized", 401, _plain(message="Unauthorized", request_id="1"), Kind.INVALID_KEY, MISTRAL),
    ("mistral", "inactive", 401, _plain(message="Inactive subscription or usage limit reached"), Kind.NO_CREDIT, MISTRAL),
    ("mistral", "validation", 422, _plain(object="error", message={"detail": [{"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input should be less than or equal to 1.5"}]}, type="invalid_request_error"), Kind.BAD_REQUEST, MISTRAL),
    ("cohere", "month", 429, _plain(message="You are using a Trial key, which is limited to 1000 API calls / month. You can continue to use the Trial key for free or upgrade to a Production key"), Kind.DAILY_QUOTA, COHERE),
    ("cohere", "token", 401, _plain(message="invalid api token"), Kind.INVALID_KEY, COHERE),
    ("cohere", "payment", 402, _plain(message="Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue"), Kind.NO_CREDIT, COHERE),
    ("cohere", "blocked-output", 498, _plain(message="blocked output: please refer to our usage guidelines"), Kind.CONTENT_FILTER, COHERE),
    ("cohere", "model", 404, _plain(message="model 'command-zzz' not found, make sure the correct model ID was used and that you have access to the model."), Kind.MODEL_NOT_FOUND, COHERE),
    ("groq", "tpd", 429, _error("Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_1` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 99000, Requested 3000. Please try again in 28m48s.", "tokens", "rate_limit_exceeded"), Kind.DAILY_QUOTA, GROQ),
    ("groq", "capacity", 503, _error("llama-3.3-70b-versatile is currently over capacity. Please try again and back off exponentially.", "internal_server_error"), Kind.OVERLOADED, GROQ),
    ("groq", "flex", 498, _error("Flex tier capacity exceeded, please try again later", "capacity_exceeded"), Kind.OVERLOADED, GROQ),
    ("groq", "network", 403, _error("Access denied. Please check your network settings."), Kind.IP_BLOCKED, GROQ),
    ("groq", "decommissioned", 400, _error("The model `llama2-70b-4096` has been decommissioned and is no longer supported.", "invalid_request_error", "model_decommissioned"), Kind.MODEL_NOT_FOUND, GROQ),
    ("groq", "json-failed", 400, _error("Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.", "invalid_request_error", "json_validate_failed"), Kind.BAD_REQUEST, GROQ),
    ("together_ai", "context", 422, _error("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 512 `max_new_tokens`", "invalid_request_error"), Kind.CONTEXT_LENGTH, TOGETHER),
    ("together_ai", "key", 401, _error("Invalid API key provided. You can find your API key at https://api.together.ai/settings/api-keys.", "invalid_request_error", "invalid_api_key"), Kind.INVALID_KEY, TOGETHER),
    ("fireworks_ai", "model", 404, _error("Model not found, inaccessible, and/or not deployed", None, "NOT_FOUND"), Kind.MODEL_NOT_FOUND, FIREWORKS),
    ("fireworks_ai", "key", 401, _plain(error={"object": "error", "type": "invalid_request_error", "code": "invalid_api_key", "message": "The API key you provided is invalid."}), Kind.INVALID_KEY, FIREWORKS),
    ("deepinfra", "balance", 402, _plain(detail={"error": "inference prohibited, please enter a payment method or add balance in your dashboard"}), Kind.NO_CREDIT, DEEPINFRA),
    ("deepinfra", "not-authenticated", 403, _plain(detail={"error": "User is not authenticated"}), Kind.INVALID_KEY, DEEPINFRA),
    ("deepinfra", "rate", 429, _plain(detail={"error": "Rate limited"}), Kind.RATE_LIMIT, DEEPINFRA),
    # OpenRouter, Perplexity, xAI, Cerebras, SambaNova, NVIDIA, HuggingFace, Replicate
    ("openrouter", "credits", 402, _error("Insufficient credits. Add more using https://openrouter.ai/settings/credits", None, 402), Kind.NO_CREDIT, OPENROUTER),
    ("openrouter", "user", 401, _error("User not found.", None, 401), Kind.INVALID_KEY, OPENROUTER),
    ("openrouter", "no-cookie", 401, _error("No auth credentials found", None, 401), Kind.INVALID_KEY, OPENROUTER),
    ("openrouter", "key-limit-day", 403, _error("Key limit exceeded (daily limit). Manage it using https://openrouter.ai/settings/keys", None, 403), Kind.DAILY_QUOTA, OPENROUTER),
    ("openrouter", "per-min", 429, _error("Rate limit exceeded: free-models-per-min. ", None, 429), Kind.RATE_LIMIT, OPENROUTER),
    ("openrouter", "model-id", 400, _error("openai/gpt-77 is not a valid model ID", None, 400), Kind.MODEL_NOT_FOUND, OPENROUTER),
    ("openrouter", "endpoints", 404, _error("No endpoints found for mistralai/old-one.", None, 404), Kind.MODEL_NOT_FOUND, OPENROUTER),
    ("openrouter", "upstream-key", 502, _plain(error={"message": "Provider returned error", "code": 502, "metadata": {"raw": '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}', "provider_name": "X"}}), Kind.OVERLOADED, OPENROUTER),
    ("openrouter", "finish-error", 200, _plain(choices=[{"message": {"role": "assistant", "content": "half"}, "finish_reason": "error", "error": {"code": 429, "message": "Rate limit exceeded"}}]), Kind.RATE_LIMIT, OPENROUTER),
    ("perplexity", "page-401", 401, _page("401 Authorization Required", "<hr><center>openresty/1.25.3.1</center>"), Kind.INVALID_KEY, PERPLEXITY),
    ("perplexity", "model", 400, _plain(error={"message": "Invalid model 'sonar-huge'. Permitted models can be found in the documentation", "type": "invalid_model", "code": 400}), Kind.MODEL_NOT_FOUND, PERPLEXITY),
    ("perplexity", "rate", 429, _error("Request rate limit exceeded, please try again later.", "request_rate_limit_exceeded", 429), Kind.RATE_LIMIT, PERPLEXITY),
    ("xai", "wrong-key", 400, _plain(code="Client specified an invalid argument", error="Incorrect API key provided: xa***zz. You can obtain an API key from https://console.x.ai."), Kind.INVALID_KEY, XAI),
    ("xai", "credits", 429, _plain(code="Some resource has been exhausted", error="Your team 1 has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit."), Kind.NO_CREDIT, XAI),
    ("xai", "blocked-key", 403, _plain(code="The caller does not have permission to execute the specified operation", error="API key is currently blocked: 1"), Kind.REVOKED_KEY, XAI),
    ("xai", "safety", 403, _plain(code="The caller does not have permission to execute the specified operation", error="Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"), Kind.CONTENT_FILTER, XAI),
    ("xai", "too-long", 400, _plain(code="Client specified an invalid argument", error="This model's maximum prompt length is 131072 but the request contains 537812 tokens."), Kind.CONTEXT_LENGTH, XAI),
    ("xai", "model", 404, _plain(code="Some requested entity was not found", error="The model grok-99 does not exist or your team 1 does not have access to it."), Kind.MODEL_NOT_FOUND, XAI),
    ("xai", "rate", 429, _plain(code="Some resource has been exhausted: Too many requests", error="Too many requests for team 1 and model grok-4. Your team's rate limit is 2 requests per second."), Kind.RATE_LIMIT, XAI),
    ("cerebras", "day", 429, _plain(message="Tokens per day limit exceeded - too many tokens processed.", type="too_many_tokens_error", param="quota", code="token_quota_exceeded"), Kind.DAILY_QUOTA, CEREBRAS),
    ("cerebras", "minute", 429, _plain(message="Requests per minute limit exceeded - too many requests sent.", type="too_many_requests_error", param="quota", code="request_quota_exceeded"), Kind.RATE_LIMIT, CEREBRAS),
    ("cerebras", "tokens-minute", 429, _plain(message="Tokens per minute limit exceeded - too many tokens processed.", type="too_many_tokens_error", param="quota", code="token_quota_exceeded"), Kind.TOKEN_LIMIT, CEREBRAS),
    ("cerebras", "traffic", 429, _plain(message="We're experiencing high traffic right now! Please try again soon.", type="too_many_requests_error", param="queue", code="queue_exceeded"), Kind.OVERLOADED, CEREBRAS),
    ("cerebras", "key", 401, _plain(message="Wrong API Key", type="invalid_request_error", param="api_key", code="wrong_api_key"), Kind.INVALID_KEY, CEREBRAS),
    ("sambanova", "rate", 429, "Rate limit exceeded", Kind.RATE_LIMIT, SAMBANOVA),
    ("sambanova", "model", 404, _error("Model not found", "invalid_request_error", "model_not_found"), Kind.MODEL_NOT_FOUND, SAMBANOVA),
    ("nvidia_nim", "bad-key", 403, _plain(status=403, title="Forbidden", detail="Authorization failed"), Kind.INVALID_KEY, NVIDIA),
    ("nvidia_nim", "function", 404, _plain(status=404, title="Not Found", detail="Function 'f': Not found for account 'a'"), Kind.MODEL_NOT_FOUND, NVIDIA),
    ("nvidia_nim", "bare-429", 429, _plain(status=429, title="Too Many Requests"), Kind.RATE_LIMIT, NVIDIA),
    ("nvidia_nim", "credits", 402, _plain(status=402, title="Payment Required", detail="Account 'a': Cloud credits expired - Please contact NVIDIA representatives"), Kind.NO_CREDIT, NVIDIA),
    ("huggingface", "loading", 503, _plain(error="Model meta-llama/Llama-3 is currently loading", estimated_time=20.0), Kind.OVERLOADED, HF),
    ("huggingface", "password", 401, _plain(error="Invalid username or password."), Kind.INVALID_KEY, HF),
    ("huggingface", "gated", 403, _plain(error="Access to model meta-llama/Llama-3 is restricted and you are not in the authorized list."), Kind.PERMISSION, HF),
    ("huggingface", "tgi-overloaded", 429, _plain(error="Model is overloaded", error_type="overloaded"), Kind.OVERLOADED, TGI),
    ("huggingface", "tgi-too-long", 422, _plain(error="Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", error_type="validation"), Kind.CONTEXT_LENGTH, TGI),
    ("replicate", "credit", 402, _plain(title="Insufficient credit", detail="You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to purchase credit.", status=402), Kind.NO_CREDIT, REPLICATE),
    ("replicate", "token", 401, _plain(title="Unauthenticated", detail="You did not pass a valid authentication token", status=401), Kind.INVALID_KEY, REPLICATE),
    # Chinese vendors
    ("deepseek", "balance", 402, _error("Insufficient Balance", "unknown_error", "invalid_request_error"), Kind.NO_CREDIT, DEEPSEEK),
    ("deepseek", "busy", 503, _error("Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.", "service_unavailable_error", "service_unavailable_error"), Kind.OVERLOADED, DEEPSEEK),
    ("deepseek", "model", 400, _error("Model Not Exist", "invalid_request_error", "invalid_request_error"), Kind.MODEL_NOT_FOUND, DEEPSEEK),
    ("moonshot", "concurrency", 429, _error("Your account org-1<ak-1> request reached organization max concurrency: 1, please try again after 1 seconds", "rate_limit_reached_error"), Kind.CONCURRENCY, MOONSHOT),
    ("moonshot", "tpd", 429, _error("Your account org-1<ak-1> request reached organization TPD rate limit, current: 1500001, limit: 1500000", "rate_limit_reached_error"), Kind.DAILY_QUOTA, MOONSHOT),
    ("moonshot", "suspended", 429, _error("Your account org-1<ak-1> is suspended, please check your plan and billing details", "exceeded_current_quota_error"), Kind.NO_CREDIT, MOONSHOT),
    ("moonshot", "model", 404, _error("Not found the model kimi-z or Permission denied", "resource_not_found_error"), Kind.MODEL_NOT_FOUND, MOONSHOT),
    ("zai", "1302", 429, _error("High concurrency usage of this API, please reduce concurrency", None, "1302"), Kind.CONCURRENCY, ZHIPU),
    ("zai", "1003", 401, _error("Authentication Token expired, please regenerate/obtain", None, "1003"), Kind.REVOKED_KEY, ZHIPU),
    ("zai", "1301", 400, _error("System detected potentially unsafe or sensitive content in input or generation.", None, "1301"), Kind.CONTENT_FILTER, ZHIPU),
    ("zai", "1261", 400, _error("Prompt 超长", None, "1261"), Kind.CONTEXT_LENGTH, ZHIPU),
    ("openai", "zhipu-as-openai", 429, _error("您的账户已欠费，请充值后重试", None, "1113"), Kind.NO_CREDIT, ZHIPU),
    ("dashscope", "inspection", 400, _plain(code="DataInspectionFailed", message="Input data may contain inappropriate content.", request_id="1"), Kind.CONTENT_FILTER, DASHSCOPE),
    ("dashscope", "rate", 429, _plain(code="Throttling.RateQuota", message="Requests rate limit exceeded, please try again later.", request_id="1"), Kind.RATE_LIMIT, DASHSCOPE),
    ("dashscope", "tpm-as-quota", 429, _error("You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://help.aliyun.com/zh/model-studio/error-code#token-limit.", "insufficient_quota", "insufficient_quota"), Kind.TOKEN_LIMIT, DASHSCOPE),
    ("dashscope", "unpurchased", 403, _plain(code="AccessDenied.Unpurchased", message="Access to model denied. Please make sure you are eligible for using the model."), Kind.PERMISSION, DASHSCOPE),
    ("dashscope", "week", 429, _error("week allocated quota exceeded", "insufficient_quota", "insufficient_quota"), Kind.DAILY_QUOTA, DASHSCOPE),
    ("dashscope", "timeout", 408, _plain(code="RequestTimeOut", message="Request timed out, please try again later."), Kind.TIMEOUT, DASHSCOPE),
    ("openai", "qianfan-tpm", 429, _error("Rate limit reached for TPM", "rate_limit_exceeded", "tpm_rate_limit_exceeded"), Kind.TOKEN_LIMIT, QIANFAN),
    ("openai", "qianfan-too-long", 400, _error("the max input characters is 20000", "invalid_request_error", "characters_too_long"), Kind.CONTEXT_LENGTH, QIANFAN),
    ("openai", "qianfan-day", 200, _plain(error_code=17, error_msg="Open api daily request limit reached"), Kind.DAILY_QUOTA, QIANFAN_V1),
    ("openai", "qianfan-busy", 200, _plain(error_code=336100, error_msg="try again"), Kind.OVERLOADED, QIANFAN_V1),
    ("openai", "qianfan-rpm", 200, _plain(error_code=336501, error_msg="Rate limit reached for RPM"), Kind.RATE_LIMIT, QIANFAN_V1),
    ("volcengine", "overdue", 403, _error("The request failed because your account has an overdue balance. Request id: 1", "Forbidden", "AccountOverdueError"), Kind.NO_CREDIT, ARK),
    ("volcengine", "not-open", 404, _error("Your account 1 has not activated the model doubao-pro. Please activate the model service in the Ark Console.", "NotFound", "ModelNotOpen"), Kind.PERMISSION, ARK),
    ("volcengine", "endpoint", 404, _error("The model or endpoint ep-1 does not exist or you do not have access to it.", "NotFound", "InvalidEndpointOrModel.NotFound"), Kind.MODEL_NOT_FOUND, ARK),
    ("volcengine", "endpoint-tpm", 429, _error("The Tokens Per Minute (TPM) limit of the associated endpoint for your account has been exceeded.", "TooManyRequests", "RateLimitExceeded.EndpointTPMExceeded"), Kind.TOKEN_LIMIT, ARK),
    ("volcengine", "sensitive", 400, _error("The request failed because the input text may contain sensitive information.", "BadRequest", "InputTextSensitiveContentDetected.PolicyViolation"), Kind.CONTENT_FILTER, ARK),
    ("volcengine", "five-hours", 429, _error("You have exceeded the 5-hour usage quota. It will reset at 2026-11-12 17:59:59 +0800 CST.", "TooManyRequests", "AccountQuotaExceeded"), Kind.DAILY_QUOTA, ARK),
    ("volcengine", "key", 401, _error("The API key or AK/SK in the request is missing or invalid. Request id: 1", "Unauthorized", "AuthenticationError"), Kind.INVALID_KEY, ARK),
    ("openai", "hunyuan-package", 200, _tencent("FailedOperation.ResourcePackExhausted", "资源包余量已用尽，请购买资源包或开通后付费"), Kind.NO_CREDIT, HUNYUAN),
    ("openai", "hunyuan-signature", 200, _tencent("AuthFailure.SignatureFailure", "The provided credentials could not be validated."), Kind.INVALID_KEY, HUNYUAN),
    ("openai", "hunyuan-rate", 200, _tencent("RequestLimitExceeded", "您当前每秒请求 `21` 次，超过了每秒频率上限 `20` 次，请稍后重试。"), Kind.RATE_LIMIT, HUNYUAN),
    ("openai", "hunyuan-not-active", 200, _tencent("FailedOperation.ServiceNotActivated", "服务未开通，请前往控制台申请试用"), Kind.PERMISSION, HUNYUAN),
    ("openai", "hunyuan-engine", 200, _tencent("FailedOperation.EngineServerLimitExceeded", "引擎层请求超过限额；请稍后重试"), Kind.OVERLOADED, HUNYUAN),
    ("minimax", "1002", 200, _minimax(1002, "rate limit"), Kind.RATE_LIMIT, MINIMAX),
    ("minimax", "1004", 200, _minimax(1004, "login fail: Please carry the API secret key in the 'Authorization' field of the request header"), Kind.INVALID_KEY, MINIMAX),
    ("minimax", "1008-anthropic", 500, _claude("api_error", "insufficient balance (1008)"), Kind.NO_CREDIT, MINIMAX),
    ("minimax", "1026", 200, _minimax(1026, "input new_sensitive"), Kind.CONTENT_FILTER, MINIMAX),
    ("minimax", "1039", 200, _minimax(1039, "token limit"), Kind.TOKEN_LIMIT, MINIMAX),
    ("minimax", "2013", 200, _minimax(2013, "invalid params, unknown model 'm'"), Kind.MODEL_NOT_FOUND, MINIMAX),
    ("minimax", "2061", 500, _claude("api_error", "your current token plan not support model, MiniMax-M9 (2061)"), Kind.PERMISSION, MINIMAX),
    ("openai", "stepfun-censored", 451, _error("The content you provided or machine outputted is blocked.", "censorship_blocked"), Kind.CONTENT_FILTER, STEPFUN),
    ("openai", "stepfun-balance", 402, _error("您的账户余额不足", "quota_exceeded"), Kind.NO_CREDIT, STEPFUN),
    ("openai", "siliconflow-tpm", 429, _plain(message="Request was rejected due to rate limiting. Details: TPM limit reached.", data=""), Kind.TOKEN_LIMIT, SILICONFLOW),
    ("openai", "siliconflow-model", 400, _plain(code=20012, message="Model does not exist. Please check it carefully.", data=None), Kind.MODEL_NOT_FOUND, SILICONFLOW),
    ("openai", "siliconflow-busy", 503, _plain(code=50505, message="Model service overloaded. Please try again later.", data=None), Kind.OVERLOADED, SILICONFLOW),
    ("openai", "siliconflow-balance", 403, _plain(code=30001, message="Sorry, your account balance is insufficient", data=None), Kind.NO_CREDIT, SILICONFLOW),
    ("openai", "siliconflow-token", 401, '"Invalid token"', Kind.INVALID_KEY, SILICONFLOW),
    ("openai", "siliconflow-real-name", 403, _plain(code=30014, message="该模型需要完成实名认证后使用", data=None), Kind.PERMISSION, SILICONFLOW),
    ("openai", "spark-qps", 200, _spark(11202, "AppIdQpsOverFlow OverPlatformLimit"), Kind.RATE_LIMIT, SPARK),
    ("openai", "spark-daily", 200, _spark(11201, "AppIdDailyOverFlow"), Kind.DAILY_QUOTA, SPARK),
    ("openai", "spark-sensitive", 200, _spark(10013, "input content audit failed, violation"), Kind.CONTENT_FILTER, SPARK),
    ("openai", "spark-concurrency", 403, _error("AppIdConcOverFlow", "api_error", "11203"), Kind.CONCURRENCY, SPARK),
    ("openai", "spark-too-long", 200, _spark(10907, "token num exceeds limit"), Kind.CONTEXT_LENGTH, SPARK),
    ("openai", "spark-busy", 200, _spark(10110, "xx is busy, please try again later"), Kind.OVERLOADED, SPARK),
    ("openai", "mimo-403", 403, _error("The service is currently not available in the current region", None, "403"), Kind.REGION_BLOCKED, MIMO),
    # Local servers, relays, proxies
    ("ollama", "pull", 404, _plain(error="model \"llama9\" not found, try pulling it first"), Kind.MODEL_NOT_FOUND, OLLAMA),
    ("ollama", "queue", 503, _plain(error="server busy, please try again.  maximum pending requests exceeded"), Kind.OVERLOADED, OLLAMA),
    ("ollama", "hourly", 429, _plain(error="you have reached your hourly usage limit, please upgrade to continue"), Kind.DAILY_QUOTA, OLLAMA),
    ("hosted_vllm", "model", 404, _plain(object="error", message="The model `m` does not exist.", type="NotFoundError", param=None, code=404), Kind.MODEL_NOT_FOUND, VLLM),
    ("hosted_vllm", "context", 400, _plain(object="error", message="'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 8192 tokens and your request has 7000 input tokens", type="BadRequestError", code=400), Kind.CONTEXT_LENGTH, VLLM),
    ("hosted_vllm", "extra", 400, _plain(object="error", message="[{'type': 'extra_forbidden', 'loc': ('body', 'foo'), 'msg': 'Extra inputs are not permitted', 'input': 1}]", type="BadRequestError", code=400), Kind.BAD_REQUEST, VLLM),
    ("openai", "llamacpp-loading", 503, _error("Loading model", "unavailable_error", 503), Kind.OVERLOADED, LLAMACPP),
    ("openai", "llamacpp-key", 401, _error("Invalid API Key", "authentication_error", 401), Kind.INVALID_KEY, LLAMACPP),
    ("openai", "newapi-quota", 403, _error("用户额度不足, 剩余额度: ＄0.000000 (request id: 1)", "new_api_error", "insufficient_user_quota"), Kind.NO_CREDIT, NEWAPI),
    ("openai", "newapi-token-quota", 401, _error("该令牌额度已用尽 TokenStatusExhausted[sk-a***z] (request id: 1)", "new_api_error"), Kind.NO_CREDIT, NEWAPI),
    ("openai", "newapi-banned", 403, _error("用户已被封禁 (request id: 1)", "new_api_error"), Kind.ACCOUNT_BANNED, NEWAPI),
    ("openai", "newapi-ip", 403, _error("您的 IP 不在令牌允许访问的列表中 (request id: 1)", "new_api_error"), Kind.IP_BLOCKED, NEWAPI),
    ("openai", "newapi-no-channel", 503, _error("分组 default 下模型 gpt-9 无可用渠道（distributor） (request id: 1)", "new_api_error", "model_not_found"), Kind.MODEL_NOT_FOUND, NEWAPI),
    ("openai", "newapi-no-token", 401, _error("未提供令牌 (request id: 1)", "new_api_error"), Kind.INVALID_KEY, NEWAPI),
    ("openai", "newapi-group", 403, _error("无权访问 vip 分组 (request id: 1)", "new_api_error"), Kind.PERMISSION, NEWAPI),
    ("openai", "newapi-rate", 429, _error("您已达到请求数限制：1分钟内最多请求10次", "new_api_error"), Kind.RATE_LIMIT, NEWAPI),
    ("openai", "aihubmix-balance", 403, _error("Your account balance is insufficient. Please recharge your account to continue using the API.", "Aihubmix_api_error", "insufficient_user_quota"), Kind.NO_CREDIT, AIHUBMIX),
    ("openai", "aihubmix-ip", 403, _error("Forbidden – key(XXXXXX) allowed only from approved IP ranges.", "Aihubmix_api_error", ""), Kind.IP_BLOCKED, AIHUBMIX),
    ("openai", "aihubmix-token", 401, _error("Unauthorized – no access token supplied; please log in and include a valid token.", "Aihubmix_api_error", ""), Kind.INVALID_KEY, AIHUBMIX),
    ("openai", "ucloud-sensitive", 400, _error("Sensitive chat messages", "invalid_request_error", "invalid_messages_x"), Kind.CONTENT_FILTER, UCLOUD),
    ("openai", "ucloud-too-long", 400, _error("Prompt tokens too long", "invalid_request_error", "tokens_too_long"), Kind.CONTEXT_LENGTH, UCLOUD),
    ("openai", "litellm-budget", 400, _error("Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", "budget_exceeded", "400"), Kind.NO_CREDIT, LITELLM),
    ("openai", "litellm-model", 400, _error("/chat/completions: Invalid model name passed in model=gpt-9. Call `/v1/models` to view available models for your key.", "invalid_request_error", "400"), Kind.MODEL_NOT_FOUND, LITELLM),
    ("github", "day", 429, _error("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 38012 seconds before retrying.", None, "RateLimitReached"), Kind.DAILY_QUOTA, GITHUB),
    ("github", "minute", 429, _error("Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 12 seconds before retrying.", None, "RateLimitReached"), Kind.RATE_LIMIT, GITHUB),
    ("github", "concurrent", 429, _error("Rate limit of 2 per 0s exceeded for UserConcurrentRequests. Please wait 0 seconds before retrying.", None, "RateLimitReached"), Kind.CONCURRENCY, GITHUB),
    ("github", "body-size", 413, _error("Request body too large for gpt-4o model. Max size: 8000 tokens.", None, "tokens_limit_reached"), Kind.CONTEXT_LENGTH, GITHUB),
    ("github", "credentials", 401, _error("Bad credentials", None, "unauthorized"), Kind.INVALID_KEY, GITHUB),
    ("cloudflare", "capacity", 429, _plain(errors=[{"message": "Capacity temporarily exceeded, please try again.", "code": 3040}], success=False, result={}, messages=[]), Kind.OVERLOADED, WORKERS_AI),
    ("cloudflare", "auth", 401, _plain(result=None, success=False, errors=[{"code": 10000, "message": "Authentication error"}], messages=[]), Kind.INVALID_KEY, WORKERS_AI),
    ("cloudflare", "model", 400, _plain(errors=[{"message": "No such model @cf/x/y or task", "code": 5007}], success=False), Kind.MODEL_NOT_FOUND, WORKERS_AI),
    ("openai", "cf-1010", 403, "error code: 1010", Kind.IP_BLOCKED, CLOUDFLARE),
    ("openai", "cf-1009", 403, _page("Access denied", "<p>Error code: 1009. The owner of this website has banned the country or region your IP address is in</p>"), Kind.REGION_BLOCKED, CLOUDFLARE),
    ("openai", "cf-1020", 403, _page("Access denied | api.example.com used Cloudflare to restrict access", "Error 1020"), Kind.IP_BLOCKED, CLOUDFLARE),
    ("openai", "cf-521", 521, _page("api.example.com | 521: Web server is down"), Kind.SERVER_ERROR, CLOUDFLARE_5XX),
    ("openai", "cf-524", 524, _page("api.example.com | 524: A timeout occurred"), Kind.TIMEOUT, CLOUDFLARE_5XX),
    ("openai", "cf-524-text", 524, "error code: 524", Kind.TIMEOUT, CLOUDFLARE_5XX),
    ("openai", "nginx-502", 502, _page("502 Bad Gateway", "<hr><center>nginx/1.24.0</center>"), Kind.SERVER_ERROR, NGINX),
    ("openai", "nginx-504", 504, _page("504 Gateway Time-out", "<hr><center>nginx</center>"), Kind.TIMEOUT, NGINX),
    ("openai", "nginx-403", 403, _page("403 Forbidden", "<hr><center>nginx</center>"), Kind.IP_BLOCKED, NGINX),
    ("openai", "nginx-413", 413, _page("413 Request Entity Too Large", "<hr><center>nginx</center>"), Kind.BAD_REQUEST, NGINX),
    ("openai", "nginx-429", 429, _page("429 Too Many Requests", "<hr><center>openresty</center>"), Kind.IP_BLOCKED, NGINX),
    ("openai", "cloudfront-country", 403, _page("ERROR: The request could not be satisfied", "The Amazon CloudFront distribution is configured to block access from your country."), Kind.REGION_BLOCKED, CLOUDFRONT),
    ("openai", "cloudfront-blocked", 403, _page("ERROR: The request could not be satisfied", "Request blocked. We can't connect to the server for this app or website at this time."), Kind.IP_BLOCKED, CLOUDFRONT),
    ("openai", "envoy", 503, "no healthy upstream", Kind.OVERLOADED, ENVOY),
)  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind"),
    [pytest.param(case[0], *case[2:5], id=f"{case[0]}-{case[1]}") for case in CASES],
)
def test_a_reply_after_the_vendors_document_is_told(provider: str, status: int, body: str, kind: Kind) -> None:
    fault = classify(Reply(status, {}, body), provider=provider, now=NOW)

    assert fault.kind is kind, fault


def test_each_case_names_its_document() -> None:
    assert all(case[5].startswith("https://") for case in CASES)
