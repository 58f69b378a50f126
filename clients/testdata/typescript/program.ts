// Runs the scenario that every client must pass, through the generated TypeScript client.
//
// Usage: node program.js ADDRESS SCENARIO.json
import { readFileSync } from "node:fs";
import { toJson, type JsonValue } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Code } from "./gen/google/rpc/code_pb.js";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ProjectSchema } from "./gen/sishu/ingest/v1/project_pb.js";
import { ProjectService } from "./gen/sishu/ingest/v1/project_service_pb.js";

interface Scenario {
  page_size: number;
  missing_project_id: string;
}

type Projects = Client<typeof ProjectService>;

async function list(client: Projects, pageSize: number): Promise<JsonValue[]> {
  const projects: JsonValue[] = [];
  let pageToken = "";
  do {
    const page = await client.listProjects({ pageSize, pageToken });
    projects.push(...page.projects.map((project) => toJson(ProjectSchema, project)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return projects;
}

function typed(reason: unknown): object {
  const error = ConnectError.from(reason);
  const [info] = error.findDetails(ErrorInfoSchema);
  return { code: Code[error.code], reason: info?.reason, domain: info?.domain, metadata: info?.metadata };
}

async function missing(client: Projects, id: string): Promise<object> {
  try {
    await client.getProject({ id });
  } catch (reason) {
    return typed(reason);
  }
  throw new Error(`there is a project ${id}`);
}

const [address, path] = process.argv.slice(2);
if (address === undefined || path === undefined) {
  console.error("usage: node program.js ADDRESS SCENARIO.json");
  process.exit(2);
}
const scenario = JSON.parse(readFileSync(path, "utf-8")) as Scenario;
const client = createClient(
  ProjectService,
  createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 30_000 }),
);
const projects = await list(client, scenario.page_size);
const error = await missing(client, scenario.missing_project_id);
console.log(JSON.stringify({ projects, error }));
