"""HTTP APIs and function URLs of templates: which request reaches which function, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.http_routes import HttpApiDefinition, read_http_apis
from lambdachain._templates.http_settings import CorsSettings
from lambdachain._templates.template import parse_template
from lambdachain.local import LocalFunction, LocalHttpApi
from lambdachain.local._definitions._http_apis import declare_http_apis
from tests.templates.readers import AWS

SAM = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function: {Runtime: python3.13, Handler: app.handler, CodeUri: .}
    """


def read(text: str, **context: Any) -> tuple[Mapping[str, HttpApiDefinition], list[str]]:
    """Return the APIs by name, and the diagnostics as they are printed."""
    template = parse_template(dedent(text), "template.yaml", Path("/code"), TemplateContext(AWS, **context))
    found = read_http_apis(template)
    return {api.name: api for api in found.apis}, [str(each) for each in found.diagnostics]


def routes(api: HttpApiDefinition) -> dict[str, str]:
    """Return the function of each route, with its qualifier."""
    return {
        route.key: route.function if route.qualifier is None else f"{route.function}:{route.qualifier}"
        for route in api.routes
    }


def test_sam_events():
    """Implicit and explicit APIs, both kinds, payload formats, timeouts, stages, aliases, settings of Globals."""
    apis, problems = read(
        SAM
        + """
      Api: {BinaryMediaTypes: [image~1png], Cors: "'*'"}
      HttpApi: {CorsConfiguration: {AllowOrigins: [https://a], AllowMethods: [GET], AllowCredentials: true, MaxAge: 5}}
    Resources:
      Rest:
        Type: AWS::Serverless::Api
        Properties: {StageName: v1}
      One:
        Type: AWS::Serverless::Function
        Properties:
          FunctionName: first
          AutoPublishAlias: live
          Events:
            A: {Type: Api, Properties: {Path: /orders, Method: post}}
            B: {Type: Api, Properties: {Path: "/orders/{id}", Method: any, RestApiId: !Ref Rest}}
            C: {Type: HttpApi}
            D: {Type: HttpApi, Properties: {Path: /x, Method: GET, PayloadFormatVersion: "1.0", TimeoutInMillis: 5000}}
            E: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
    """
    )

    assert problems == []
    assert {name: (api.kind, api.stage, routes(api)) for name, api in apis.items()} == {
        "ServerlessRestApi": ("rest", "Prod", {"POST /orders": "first:live"}),
        "Rest": ("rest", "v1", {"ANY /orders/{id}": "first:live"}),
        "ServerlessHttpApi": ("http", "$default", {"$default": "first:live", "GET /x": "first:live"}),
    }
    assert apis["Rest"].binary_types == ("image/png",)
    assert apis["Rest"].cors == CorsSettings(("*",))
    assert apis["ServerlessHttpApi"].cors == CorsSettings(("https://a",), ("GET",), allow_credentials=True, max_age=5)
    assert [(each.payload_format, each.timeout) for each in apis["ServerlessHttpApi"].routes] == [
        ("2.0", None),
        ("1.0", 5.0),
    ]


def test_function_urls():
    """SAM's property and CloudFormation's resource; the invoke mode, CORS, an alias, a signature that nobody checks."""
    apis, problems = read(
        SAM
        + """
    Resources:
      One:
        Type: AWS::Serverless::Function
        Properties:
          FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM, Cors: {AllowOrigins: ["*"]}}
      Two: {Type: AWS::Lambda::Function, Properties: {FunctionName: second, Handler: a.b}}
      Url:
        Type: AWS::Lambda::Url
        Properties: {TargetFunctionArn: !GetAtt Two.Arn, Qualifier: live, AuthType: AWS_IAM}
    """
    )

    assert {name: (api.kind, routes(api), api.is_streamed) for name, api in apis.items()} == {
        "One": ("url", {"$default": "One"}, True),
        "second:live": ("url", {"$default": "second:live"}, False),
    }
    assert apis["One"].cors == CorsSettings(("*",))
    (problem,) = problems
    assert problem.startswith("template.yaml:14: Resources.Url.Properties: AuthType AWS_IAM is not checked: every")


def test_rest_api_resources():
    """The path comes from the chain of resources, the function from the URI; a mock is reported."""
    uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations"
    apis, problems = read(
        f"""
        Resources:
          F: {{Type: AWS::Lambda::Function, Properties: {{Handler: a.b}}}}
          Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: shop, BinaryMediaTypes: ["*/*"]}}}}
          Orders:
            Type: AWS::ApiGateway::Resource
            Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}}
          Order:
            Type: AWS::ApiGateway::Resource
            Properties: {{RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: "{{id}}"}}
          Get:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !Ref Order
              HttpMethod: GET
              Integration: {{Type: AWS_PROXY, Uri: !Sub "{uri}"}}
          Root:
            Type: AWS::ApiGateway::Method
            Properties:
              RestApiId: !Ref Api
              ResourceId: !GetAtt Api.RootResourceId
              HttpMethod: ANY
              Integration:
                Type: AWS_PROXY
                Uri: !Join ["", ["arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/", !GetAtt F.Arn,
                  /invocations]]
          Options:
            Type: AWS::ApiGateway::Method
            Properties:
              {{RestApiId: !Ref Api, ResourceId: !Ref Order, HttpMethod: OPTIONS, Integration: {{Type: MOCK}}}}
          Stage: {{Type: AWS::ApiGateway::Stage, Properties: {{RestApiId: !Ref Api, StageName: live}}}}
        """
    )

    assert routes(apis["Api"]) == {"GET /orders/{id}": "F", "ANY /": "F"}
    assert (apis["Api"].kind, apis["Api"].stage, apis["Api"].binary_types) == ("rest", "live", ("*/*",))
    assert [each.partition(": ")[2] for each in problems] == [
        "Resources.Options: an integration of type MOCK; the route is not served"
    ]


def test_targets_in_stage_variables():
    """An alias or a whole function that each stage names itself; without the variable, the route is reported."""
    text = """
    Resources:
      F: {Type: AWS::Serverless::Function, Properties: {FunctionName: f}}
      Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: rest}}
      Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Rest, StageName: v1, Variables: {live: Prod}}}
      Get:
        Type: AWS::ApiGateway::Method
        Properties:
          HttpMethod: GET
          RestApiId: !Ref Rest
          ResourceId: !GetAtt Rest.RootResourceId
          Integration:
            Type: AWS_PROXY
            Uri: !Sub "PREFIX/${F.Arn}:${!stageVariables.live}/invocations"
      Post:
        Type: AWS::ApiGateway::Method
        Properties:
          HttpMethod: POST
          RestApiId: !Ref Rest
          ResourceId: !GetAtt Rest.RootResourceId
          Integration:
            Type: AWS_PROXY
            Uri: !Sub "PREFIX/${F.Arn}:${!stageVariables.no}/invocations"
      Http:
        Type: AWS::Serverless::HttpApi
        Properties:
          StageName: v2
          StageVariables: {function: f}
          DefinitionBody:
            openapi: 3.0.1
            paths:
              /x:
                get:
                  x-amazon-apigateway-integration:
                    type: aws_proxy
                    payloadFormatVersion: "2.0"
                    uri: "PREFIX/arn:aws:lambda:us-east-1:123456789012:function:${stageVariables.function}/invocations"
    """
    prefix = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions"
    apis, problems = read(SAM + text.replace("PREFIX", prefix))

    assert {name: routes(api) for name, api in apis.items()} == {"Rest": {"GET /": "f:Prod"}, "Http": {"GET /x": "f"}}
    (problem,) = problems
    assert "Post: the API, the path or the function cannot be determined; the route is not served" in problem


def test_http_api_resources():
    """Routes, integrations, and an API that is created with its target; a WebSocket API is reported."""
    apis, problems = read(
        """
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b}}
          Api:
            Type: AWS::ApiGatewayV2::Api
            Properties: {Name: shop, ProtocolType: HTTP, CorsConfiguration: {AllowOrigins: [https://a]}}
          I:
            Type: AWS::ApiGatewayV2::Integration
            Properties: {ApiId: !Ref Api, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: "2.0"}
          R:
            Type: AWS::ApiGatewayV2::Route
            Properties: {ApiId: !Ref Api, RouteKey: "GET /a/{b}", Target: !Sub "integrations/${I}"}
          D:
            Type: AWS::ApiGatewayV2::Route
            Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Join [/, [integrations, !Ref I]]}
          S: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: dev}}
          Quick:
            Type: AWS::ApiGatewayV2::Api
            Properties: {Name: q, ProtocolType: HTTP, Target: !GetAtt F.Arn}
          Chat: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: c, ProtocolType: WEBSOCKET}}
          W:
            Type: AWS::ApiGatewayV2::Route
            Properties: {ApiId: !Ref Chat, RouteKey: $connect, Target: !Sub "integrations/${I}"}
        """
    )

    assert {name: routes(api) for name, api in apis.items()} == {
        "Api": {"GET /a/{b}": "F", "$default": "F"},
        "Quick": {"$default": "F"},
    }
    assert apis["Api"].stage == "dev"
    assert apis["Api"].cors == CorsSettings(("https://a",))
    assert [each.rpartition(": ")[2] for each in problems] == ["a WebSocket API; the route is not served"]


def test_openapi_document():
    """Integrations in a document of the template; a file is reported."""
    apis, problems = read(
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b}}
          Api:
            Type: AWS::Serverless::HttpApi
            Properties:
              DefinitionBody:
                openapi: 3.0.1
                paths:
                  /a:
                    parameters: []
                    x-amazon-apigateway-any-method:
                      x-amazon-apigateway-integration:
                        type: aws_proxy
                        payloadFormatVersion: "2.0"
                        uri: !Sub arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations
                    get:
                      x-amazon-apigateway-integration: {type: http_proxy, uri: "https://example.com"}
          Other: {Type: AWS::Serverless::Api, Properties: {StageName: p, DefinitionUri: api.yaml}}
        """
    )

    assert {name: routes(api) for name, api in apis.items()} == {"Api": {"ANY /a": "F"}}
    assert [each.partition(": Resources.")[2].partition(": ")[2] for each in problems] == [
        "api.yaml cannot be read: no such file; its routes are not served",
        "an integration of type http_proxy; the route is not served",
    ]


def test_serverless_events():
    """The three kinds of events, in short and in long form."""
    apis, problems = read(
        """
        service: shop
        provider:
          name: aws
          stage: dev
          httpApi: {payload: "1.0", cors: {allowedOrigins: [https://a]}}
        functions:
          one:
            handler: app.handler
            events:
              - http: GET orders/{id}
              - http: {path: /orders, method: post, cors: true}
              - http: {path: /raw, method: get, integration: lambda}
              - httpApi: "PUT /x/{proxy+}"
              - httpApi: {method: "*", path: /y}
              - schedule: rate(1 hour)
          two:
            handler: app.handler
            url: {invokeMode: RESPONSE_STREAM}
            events:
              - httpApi: "*"
        """
    )

    assert {name: (api.kind, api.stage, routes(api)) for name, api in apis.items()} == {
        "ApiGatewayRestApi": ("rest", "dev", {"GET /orders/{id}": "shop-dev-one", "POST /orders": "shop-dev-one"}),
        "HttpApi": (
            "http",
            "$default",
            {"PUT /x/{proxy+}": "shop-dev-one", "ANY /y": "shop-dev-one", "$default": "shop-dev-two"},
        ),
        "shop-dev-two": ("url", "$default", {"$default": "shop-dev-two"}),
    }
    assert {each.payload_format for each in apis["HttpApi"].routes} == {"1.0"}
    assert apis["HttpApi"].cors == CorsSettings(("https://a",))
    assert apis["ApiGatewayRestApi"].cors is not None
    assert apis["shop-dev-two"].is_streamed
    texts = [each.rpartition("]: ")[2] for each in problems]
    assert any("with the integration 'lambda' cannot be served" in each for each in texts)
    assert any("the CORS settings of one http event" in each for each in texts)
    assert len(texts) == 2


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            "{Type: Api, Properties: {Path: !Ref Missing, Method: get}}",
            "resource or parameter 'Missing' is not defined",
        ),
        ("{Type: !ImportValue kind}", "another stack exports 'kind'"),
        ("{Type: Api, Properties: {Path: /, Method: get, RestApiId: !ImportValue x}}", "does not refer to an API"),
    ],
)
def test_unresolved_routes_are_reported(event: str, text: str):
    """One route that is unknown hides neither the next one nor itself."""
    apis, problems = read(
        SAM
        + f"""
    Resources:
      One:
        Type: AWS::Serverless::Function
        Properties:
          Events:
            Bad: {event}
            Good: {{Type: Api, Properties: {{Path: /good, Method: get}}}}
    """
    )

    assert routes(apis["ServerlessRestApi"]) == {"GET /good": "One"}
    assert len(problems) == 1
    assert text in problems[0]
    assert problems[0].endswith("; the route is not served")


SAM_AUTHORIZERS = (
    SAM
    + """
      HttpApi: {Auth: {DefaultAuthorizer: Simple, Authorizers: {
        Simple: {FunctionArn: !GetAtt Check.Arn, AuthorizerPayloadFormatVersion: 2.0, EnableSimpleResponses: true,
          Identity: {Headers: [X-Key], QueryStrings: [key], Context: [routeKey], StageVariables: [v]}},
        Jwt: {JwtConfiguration: {issuer: https://x}, IdentitySource: $request.header.Authorization}}}}
    Resources:
      Rest:
        Type: AWS::Serverless::Api
        Properties:
          StageName: v1
          Variables: {table: orders}
          Auth:
            DefaultAuthorizer: Token
            Authorizers:
              Token: {FunctionArn: !GetAtt Check.Arn, Identity: {Header: X-Token, ValidationExpression: "a.*"}}
              Request: {FunctionArn: !Ref CheckAlias, FunctionPayloadType: REQUEST, Identity: {Headers: [A, B]}}
              Pool: {UserPoolArn: !GetAtt Pool.Arn}
              Unknown: {FunctionArn: !GetAtt Vpc.Arn}
      Pool: {Type: AWS::Cognito::UserPool}
      Vpc: {Type: AWS::EC2::VPC}
      Check: {Type: AWS::Serverless::Function, Properties: {FunctionName: check}}
      CheckAlias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Check, Name: live, FunctionVersion: 1}}
      One: {Type: AWS::Serverless::Function, Properties: {Events: {Get: EVENT}}}
    """
)
TOKEN = ("token", "check", None, ("header.X-Token",), "a.*", False)
SIMPLE_SOURCES = ("header.X-Key", "querystring.key", "context.routeKey", "stageVariables.v")


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{}", TOKEN),
        ("{Authorizer: Request}", ("request", "check", "live", ("header.A", "header.B"), None, False)),
        ("{Authorizer: NONE}", None),
        ("{Authorizer: Pool}", "a Cognito user pool is not here"),
        ("{Authorizer: AWS_IAM}", "signatures are not checked"),
        ("{Authorizer: Unknown}", "only AWS knows Vpc.Arn: pass --parameter Vpc.Arn=VALUE"),
        ("{ApiKeyRequired: true}", TOKEN),
    ],
)
def test_sam_authorizers_of_a_rest_api(auth: str, expected: Any):
    """The API's default, an event's own or none, tokens and requests, and those that are not functions."""
    event = f"{{Type: Api, Properties: {{Path: /a, Method: get, RestApiId: !Ref Rest, Auth: {auth}}}}}"
    apis, problems = read(SAM_AUTHORIZERS.replace("EVENT", event))

    assert authorizers(apis["Rest"]) == {"/a": expected}
    assert (apis["Rest"].stage_variables, problems) == ({"table": "orders"}, [])


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{}", ("request", "check", None, SIMPLE_SOURCES, None, True)),
        ("{Authorizer: Jwt}", "JSON Web Tokens are not checked"),
        ("{Authorizer: Gone}", "it is not defined in this template"),
    ],
)
def test_sam_authorizers_of_an_http_api(auth: str, expected: Any):
    """The default of Globals, a JWT, and one that does not exist."""
    event = f"{{Type: HttpApi, Properties: {{Path: /h, Method: get, Auth: {auth}}}}}"
    apis, problems = read(SAM_AUTHORIZERS.replace("EVENT", event))

    assert authorizers(apis["ServerlessHttpApi"]) == {"/h": expected}
    assert problems == []


def authorizers(api: HttpApiDefinition) -> dict[str, Any]:
    """Return the settings of the authorizer of each path, or why it cannot run."""
    return {
        route.key.partition(" ")[2]: each
        and (
            each.obstacle
            or (
                each.kind,
                each.function,
                each.qualifier,
                each.identity_sources,
                each.token_pattern,
                each.simple_responses,
            )
        )
        for route in api.routes
        for each in [route.authorizer]
    }


def test_authorizers_of_resources():
    """Of API Gateway's own resources, for both kinds of APIs."""
    uri = "!Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${One.Arn}/invocations'"
    apis, problems = read(
        f"""
    Resources:
      One: {{Type: AWS::Lambda::Function, Properties: {{Handler: a.b, Runtime: python3.13, Code: .}}}}
      Rest: {{Type: AWS::ApiGateway::RestApi}}
      Stage:
        Type: AWS::ApiGateway::Stage
        Properties: {{RestApiId: !Ref Rest, StageName: live, Variables: {{a: b}}}}
      Auth:
        Type: AWS::ApiGateway::Authorizer
        Properties: {{Type: REQUEST, AuthorizerUri: {uri},
          IdentitySource: "method.request.header.A,method.request.querystring.b,context.identity.sourceIp"}}
      Pool: {{Type: AWS::ApiGateway::Authorizer, Properties: {{Type: COGNITO_USER_POOLS, ProviderARNs: [x]}}}}
      Get:
        Type: AWS::ApiGateway::Method
        Properties: {{HttpMethod: GET, ResourceId: !GetAtt Rest.RootResourceId, RestApiId: !Ref Rest,
          AuthorizationType: CUSTOM, AuthorizerId: !Ref Auth, Integration: {{Type: AWS_PROXY, Uri: {uri}}}}}
      Post:
        Type: AWS::ApiGateway::Method
        Properties: {{HttpMethod: POST, ResourceId: !GetAtt Rest.RootResourceId, RestApiId: !Ref Rest,
          AuthorizationType: COGNITO_USER_POOLS, AuthorizerId: !Ref Pool, Integration: {{Type: AWS_PROXY, Uri: {uri}}}}}
      Http: {{Type: AWS::ApiGatewayV2::Api, Properties: {{ProtocolType: HTTP}}}}
      HttpStage:
        Type: AWS::ApiGatewayV2::Stage
        Properties: {{ApiId: !Ref Http, StageName: $default, StageVariables: {{c: d}}}}
      Integration:
        Type: AWS::ApiGatewayV2::Integration
        Properties: {{ApiId: !Ref Http, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt One.Arn}}
      HttpAuth:
        Type: AWS::ApiGatewayV2::Authorizer
        Properties: {{ApiId: !Ref Http, AuthorizerType: REQUEST, AuthorizerUri: {uri}, EnableSimpleResponses: true,
          AuthorizerPayloadFormatVersion: "2.0", IdentitySource: [$request.header.A]}}
      Route:
        Type: AWS::ApiGatewayV2::Route
        Properties: {{ApiId: !Ref Http, RouteKey: GET /x, Target: !Sub "integrations/${{Integration}}",
          AuthorizationType: CUSTOM, AuthorizerId: !Ref HttpAuth}}
      Iam:
        Type: AWS::ApiGatewayV2::Route
        Properties: {{ApiId: !Ref Http, RouteKey: GET /y, Target: !Sub "integrations/${{Integration}}",
          AuthorizationType: AWS_IAM}}
    """
    )
    sources = ("header.A", "querystring.b", "context.identity.sourceIp")

    assert problems == []
    assert [route.authorizer and route.authorizer.identity_sources for route in apis["Rest"].routes] == [sources, ()]
    assert apis["Rest"].routes[1].authorizer is not None
    assert apis["Rest"].routes[1].authorizer.obstacle == "a Cognito user pool is not here"
    assert authorizers(apis["Http"]) == {
        "/x": ("request", "One", None, ("header.A",), None, True),
        "/y": "signatures are not checked",
    }
    assert (apis["Rest"].stage_variables, apis["Http"].stage_variables) == ({"a": "b"}, {"c": "d"})


def test_authorizers_of_an_openapi_document():
    """Security schemes of OpenAPI 2 and 3, of the document and of an operation; SAM's default for the others."""
    uri = "!Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${One.Arn}/invocations'"
    integration = f"x-amazon-apigateway-integration: {{type: aws_proxy, uri: {uri}}}"
    apis, _ = read(
        SAM
        + f"""
    Resources:
      One: {{Type: AWS::Serverless::Function}}
      Rest:
        Type: AWS::Serverless::Api
        Properties:
          StageName: v1
          Auth: {{DefaultAuthorizer: Own, Authorizers: {{Own: {{FunctionArn: !GetAtt One.Arn}}}}}}
          DefinitionBody:
            swagger: "2.0"
            paths:
              /a: {{get: {{{integration}}}}}
              /b: {{get: {{security: [{{Scheme: []}}], {integration}}}}}
              /c: {{get: {{security: [], {integration}}}}}
              /d: {{get: {{security: [{{ApiKey: []}}], {integration}}}}}
            securityDefinitions:
              ApiKey: {{type: apiKey, name: x-api-key, in: header}}
              Scheme:
                {{type: apiKey, name: X-Token, in: header, x-amazon-apigateway-authtype: custom,
                x-amazon-apigateway-authorizer:
                  {{type: token, authorizerUri: {uri}, identityValidationExpression: "[a-z]+"}}}}
      Http:
        Type: AWS::ApiGatewayV2::Api
        Properties:
          Body:
            openapi: 3.0.1
            security: [{{Scheme: []}}]
            paths: {{/e: {{get: {{{integration}}}}}}}
            components: {{securitySchemes: {{Scheme: {{x-amazon-apigateway-authorizer: {{type: jwt}}}}}}}}
    """
    )

    assert authorizers(apis["Rest"]) == {
        "/a": ("token", "One", None, ("header.Authorization",), None, False),
        "/b": ("token", "One", None, ("header.X-Token",), "[a-z]+", False),
        "/c": None,
        "/d": None,
    }
    assert authorizers(apis["Http"]) == {"/e": "JSON Web Tokens are not checked"}


OPENAPI = """
openapi: 3.0.1
paths:
  /a:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        payloadFormatVersion: "2.0"
        uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${One.Arn}/invocations
  /b: {get: {x-amazon-apigateway-integration: {type: mock}}}
"""


def test_openapi_files(tmp_path: Path):
    """Of SAM and of AWS::Include, with intrinsic functions in them; what is not here is reported."""
    (tmp_path / "api.yaml").write_text(OPENAPI)
    (tmp_path / "list.yaml").write_text("[]")
    include = "Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}"
    text = f"""
    Resources:
      One: {{Type: AWS::Serverless::Function, Properties: {{Handler: a.b, Runtime: python3.13, CodeUri: .}}}}
      File: {{Type: AWS::Serverless::HttpApi, Properties: {{DefinitionUri: api.yaml}}}}
      Include: {{Type: AWS::Serverless::Api, Properties: {{StageName: v1, DefinitionBody: {{{include}}}}}}}
      Own: {{Type: AWS::ApiGateway::RestApi, Properties: {{Body: {{{include}}}}}}}
      Gone: {{Type: AWS::Serverless::Api, Properties: {{StageName: v1, DefinitionUri: gone.yaml}}}}
      List: {{Type: AWS::Serverless::Api, Properties: {{StageName: v1, DefinitionUri: list.yaml}}}}
      Remote: {{Type: AWS::Serverless::Api, Properties: {{StageName: v1, DefinitionUri: s3://b/k}}}}
      Bucket: {{Type: AWS::ApiGateway::RestApi, Properties: {{BodyS3Location: {{Bucket: b, Key: k}}}}}}
    """
    template = parse_template(dedent(text), "template.yaml", tmp_path, TemplateContext(AWS))
    found = read_http_apis(template)

    assert [api.name for api in found.apis] == ["Include", "Own", "File"]
    assert [routes(api) for api in found.apis] == [{"GET /a": "One"}] * 3
    problems = [str(each) for each in found.diagnostics]
    mocks = [each for each in problems if "an integration of type mock" in each]
    assert [each.partition(":")[0] for each in mocks] == ["template.yaml"] * 3
    assert [each.partition(".Properties.")[2] for each in problems if each not in mocks] == [
        "DefinitionUri: gone.yaml cannot be read: no such file; its routes are not served",
        "DefinitionUri: list.yaml cannot be read: not an OpenAPI document; its routes are not served",
        "DefinitionUri: the OpenAPI document is not on this machine: its routes are not served",
        "BodyS3Location: the OpenAPI document is not on this machine: its routes are not served",
    ]


def test_authorizers_of_serverless_events():
    """By the key of a function, by an ARN, with settings; of the provider's HTTP API."""
    apis, problems = read(
        """
    service: shop
    provider:
      name: aws
      runtime: python3.13
      httpApi:
        authorizers:
          own: {type: request, functionName: check, payloadVersion: "1.0", identitySource: $request.header.A}
          simple: {type: request, functionName: check, enableSimpleResponses: true}
          jwt: {identitySource: $request.header.Authorization, issuerUrl: https://x, audience: [y]}
    functions:
      check: {handler: a.check}
      ask: {handler: a.ask}
      one:
        handler: a.b
        events:
          - http: {path: a, method: get, authorizer: check}
          - http: {path: b, method: get, authorizer: {name: ask, type: request, resultTtlInSeconds: 0}}
          - http: {path: c, method: get, authorizer: arn:aws:lambda:us-east-1:123456789012:function:shop-dev-check}
          - http: {path: d, method: get, authorizer: aws_iam}
          - http: {path: e, method: get, authorizer: {arn: arn:aws:cognito-idp:us-east-1:1:userpool/x}}
          - http: {path: f, method: get, authorizer: {name: t, arn: !GetAtt CheckLambdaFunction.Arn,
              identitySource: method.request.header.T, identityValidationExpression: "x.*"}}
          - httpApi: {path: /g, method: get, authorizer: {name: own}}
          - httpApi: {path: /h, method: get, authorizer: simple}
          - httpApi: {path: /i, method: get, authorizer: jwt}
          - httpApi: {path: /j, method: get, authorizer: {type: aws_iam}}
          - websocket: $connect
          - alb: {listenerArn: x, priority: 1}
    """
    )
    default = ("header.Authorization",)

    assert [each.rpartition(": ")[2] for each in problems] == [
        "a route of a WebSocket API cannot be served",
        "a route of a load balancer cannot be served",
    ]
    assert authorizers(apis["ApiGatewayRestApi"]) == {
        "/a": ("token", "shop-dev-check", None, default, None, False),
        "/b": ("request", "shop-dev-ask", None, (), None, False),
        "/c": ("token", "shop-dev-check", None, default, None, False),
        "/d": "signatures are not checked",
        "/e": "a Cognito user pool is not here",
        "/f": ("token", "shop-dev-check", None, ("header.T",), "x.*", False),
    }
    places = {
        route.key: str(route.authorizer.location)
        for api in apis.values()
        for route in api.routes
        if route.authorizer is not None
    }
    assert places["GET /a"] == "template.yaml:17: functions.one.events.0.http.authorizer"
    assert places["GET /d"] == "template.yaml:20: functions.one.events.3"
    assert places["GET /i"] == "template.yaml:10: provider.httpApi.authorizers.jwt"
    assert authorizers(apis["HttpApi"]) == {
        "/g": ("request", "shop-dev-check", None, ("header.A",), None, False),
        "/h": ("request", "shop-dev-check", None, (), None, True),
        "/i": "JSON Web Tokens are not checked",
        "/j": "signatures are not checked",
    }


def test_odd_settings_of_authorizers_and_routes():
    """Nothing that a template says ends the run."""
    template = parse_template(
        dedent(
            SAM
            + """
    Resources:
      Rest:
        Type: AWS::Serverless::Api
        Properties:
          StageName: v1
          Variables: {a: null, b: 1, c: true}
          Auth:
            DefaultAuthorizer: Token
            Authorizers:
              Token: {FunctionArn: !GetAtt One.Arn, Identity: {Header: [A], ValidationExpression: "("}}
              Request: {FunctionArn: !GetAtt One.Arn, FunctionPayloadType: REQUEST, Identity: {Headers: [A B, "", C]}}
              Text: text
      One:
        Type: AWS::Serverless::Function
        Properties:
          Events:
            A: {Type: Api, Properties: {Path: /a, Method: get, RestApiId: !Ref Rest}}
            B: {Type: Api, Properties: {Path: /b, Method: get, RestApiId: !Ref Rest, Auth: {Authorizer: Request}}}
            C: {Type: Api, Properties: {Path: /c, Method: get, RestApiId: !Ref Rest, Auth: {Authorizer: Text}}}
            D: {Type: Api, Properties: {Path: /d, Method: get, RestApiId: !Ref Rest, Auth: {Authorizer: [x]}}}
            E: {Type: HttpApi, Properties: {Path: /e, Method: get, TimeoutInMillis: 1000000}}
    """
        ),
        "template.yaml",
        Path("/code"),
        TemplateContext(AWS),
    )
    apis, problems = declare_http_apis([read_http_apis(template)], [LocalFunction("One", "app.handler")], 0)

    assert [api.name for api in apis] == ["Rest"]
    assert dict(apis[0].stage_variables) == {"b": "1", "c": "true"}
    assert {key: route.authorizer for key, route in apis[0].targets.items()} == {
        "GET /a": None,
        "GET /b": "Request",
        "GET /c": None,
        "GET /d": None,
    }
    assert list(apis[0].authorizers["Request"].identity_sources) == ["header.C"]
    assert any("is not a regular expression" in str(each) for each in problems)
    assert any(
        "timeout must be more than 0, and at most 900 seconds; the API is not served" in str(p) for p in problems
    )


def test_authorizers_that_cannot_run_are_reported_once():
    """Nobody takes an open API for a protected one: the routes that are open are named."""
    template = parse_template(
        dedent(
            SAM
            + """
      HttpApi:
        Auth: {DefaultAuthorizer: A, Authorizers: {A: {JwtConfiguration: {}}, B: {FunctionArn: !GetAtt Two.Arn}}}
    Resources:
      One:
        Type: AWS::Serverless::Function
        Properties:
          Events:
            A: {Type: HttpApi, Properties: {Path: /a, Method: get}}
            B: {Type: HttpApi, Properties: {Path: /b, Method: get}}
            C: {Type: HttpApi, Properties: {Path: /c, Method: get, Auth: {Authorizer: B}}}
      Two: {Type: AWS::Serverless::Function}
    """
        ),
        "template.yaml",
        Path("/code"),
        TemplateContext(AWS),
    )
    found = read_http_apis(template)
    _, problems = declare_http_apis([found], [LocalFunction("One", "app.handler")], 3000)
    apis, served = declare_http_apis([found], [LocalFunction(each, "app.handler") for each in ("One", "Two")], 3000)

    assert [str(each).partition(": the authorizer ")[2].partition(" is accepted")[0] for each in problems] == [
        "A does not run here: JSON Web Tokens are not checked; every request of GET /a, GET /b",
        "B does not run here: Two, its function, is not served here; every request of GET /c",
    ]
    assert len(served) == 1
    assert [route.authorizer for route in apis[0].targets.values()] == [None, None, "B"]


def test_functions_that_are_not_served():
    """Their routes are reported; ports count up; a route that is no route is reported too."""
    template = parse_template(
        dedent(
            SAM
            + """
    Resources:
      One:
        Type: AWS::Serverless::Function
        Properties:
          FunctionUrlConfig: {AuthType: NONE}
          Events:
            A: {Type: Api, Properties: {Path: /a, Method: get}}
            B: {Type: Api, Properties: {Path: "/{a+}/b", Method: get}}
      Two:
        Type: AWS::Serverless::Function
        Properties:
          Events:
            A: {Type: Api, Properties: {Path: /b, Method: get}}
            B: {Type: HttpApi, Properties: {Path: /b, Method: get}}
    """
        ),
        "template.yaml",
        Path("/code"),
        TemplateContext(AWS),
    )
    apis, problems = declare_http_apis([read_http_apis(template)], [LocalFunction("One", "app.handler")], 3000)

    assert apis == [
        LocalHttpApi("ServerlessRestApi", apis[0].routes, kind="rest", stage="Prod", port=3000),
        LocalHttpApi.for_function("One", port=3001),
    ]
    assert list(apis[0].routes) == ["GET /a"]
    assert [str(each).partition(": route ")[2] for each in problems] == [
        "'GET /{a+}/b': {a+} must be the last segment of the path; the route is not served",
        "'GET /b': Two, its function, is not served here; the route is not served",
        "'GET /b': Two, its function, is not served here; the route is not served",
    ]
