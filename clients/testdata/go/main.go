// Command go runs the scenario that every client must pass, through the generated Go client.
//
// Usage: go ADDRESS SCENARIO.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	ingestv1 "sishu.dev/go/sishu/ingest/v1"
)

type scenario struct {
	PageSize         int32  `json:"page_size"`
	MissingProjectID string `json:"missing_project_id"`
}

type typedError struct {
	Code     string            `json:"code"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata"`
}

type answer struct {
	Projects []json.RawMessage `json:"projects"`
	Error    typedError        `json:"error"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go ADDRESS SCENARIO.json")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var given scenario
	if err := json.Unmarshal(text, &given); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := ingestv1.NewProjectServiceClient(connection)
	projects, err := list(ctx, client, given.PageSize)
	if err != nil {
		return err
	}
	_, err = client.GetProject(ctx, &ingestv1.GetProjectRequest{Id: given.MissingProjectID})
	return json.NewEncoder(os.Stdout).Encode(answer{projects, typed(err)})
}

func list(ctx context.Context, client ingestv1.ProjectServiceClient, pageSize int32) ([]json.RawMessage, error) {
	var projects []json.RawMessage
	request := &ingestv1.ListProjectsRequest{PageSize: pageSize}
	for {
		page, err := client.ListProjects(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, project := range page.GetProjects() {
			text, err := protojson.Marshal(project)
			if err != nil {
				return nil, err
			}
			projects = append(projects, text)
		}
		if page.GetNextPageToken() == "" {
			return projects, nil
		}
		request.PageToken = page.GetNextPageToken()
	}
}

func typed(err error) typedError {
	failed := status.Convert(err)
	found := typedError{Code: code.Code(failed.Code()).String()}
	for _, detail := range failed.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			found.Reason, found.Domain, found.Metadata = info.GetReason(), info.GetDomain(), info.GetMetadata()
		}
	}
	return found
}
