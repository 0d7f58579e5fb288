package receive

import (
	"context"

	baton "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// How soon a client asks again; tasks follow each other at once.
	nextPoll      = 100
	nextHeartbeat = 1000
)

// service answers the client's calls, and writes each into the transcript.
type service struct {
	baton.UnimplementedBatonServiceServer
	script     *script
	transcript *transcript
	dir        string
}

func milliseconds(count int64) *durationpb.Duration {
	return &durationpb.Duration{Seconds: count / 1000, Nanos: int32(count%1000) * 1_000_000}
}

// request is a message that names its sender.
type request interface {
	proto.Message
	GetHostId() string
}

// note begins the line of a call, with all that its message breaks.
func (s *service) note(ctx context.Context, method string, message request) line {
	it := line{Method: method, HostID: message.GetHostId(), Violations: violations(message)}
	if values := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(values) > 0 {
		it.UserAgent = values[0]
	}
	return it
}

// about says which task it is about, which must be one that has been handed out.
func (s *service) about(it *line, id string) bool {
	found, handed := s.script.find(id)
	it.TaskID, it.Task = id, found.kind
	if !handed {
		it.Violations = append(it.Violations, "this is not a task in hand")
	}
	return handed
}

// end writes the line; a call that broke a rule is refused, as C1 refuses it.
func (s *service) end(it line) error {
	s.transcript.write(it)
	if len(it.Violations) > 0 {
		return status.Error(codes.InvalidArgument, it.Violations[0])
	}
	return nil
}

func (s *service) Hello(
	ctx context.Context, message *baton.BatonServiceHelloRequest,
) (*baton.BatonServiceHelloResponse, error) {
	it := s.note(ctx, "Hello", message)
	if id := message.GetTaskId(); id != "" && s.about(&it, id) {
		if it.Task != "hello" {
			it.Violations = append(it.Violations, "this is not a hello task")
		}
		defer s.script.finish(id)
	}
	return &baton.BatonServiceHelloResponse{}, s.end(it)
}

func (s *service) GetTask(
	ctx context.Context, message *baton.BatonServiceGetTaskRequest,
) (*baton.BatonServiceGetTaskResponse, error) {
	it := s.note(ctx, "GetTask", message)
	answer := baton.BatonServiceGetTaskResponse_builder{
		NextPoll: milliseconds(nextPoll), NextHeartbeat: milliseconds(nextHeartbeat),
	}
	if next, any := s.script.next(); any {
		it.Task, it.TaskID = next.kind, next.GetId()
		answer.Task = next.Task
	}
	return answer.Build(), s.end(it)
}

func (s *service) Heartbeat(
	ctx context.Context, message *baton.BatonServiceHeartbeatRequest,
) (*baton.BatonServiceHeartbeatResponse, error) {
	it := s.note(ctx, "Heartbeat", message)
	s.about(&it, message.GetTaskId())
	return baton.BatonServiceHeartbeatResponse_builder{NextHeartbeat: milliseconds(nextHeartbeat)}.Build(), s.end(it)
}

func (s *service) FinishTask(
	ctx context.Context, message *baton.BatonServiceFinishTaskRequest,
) (*baton.BatonServiceFinishTaskResponse, error) {
	it := s.note(ctx, "FinishTask", message)
	s.about(&it, message.GetTaskId())
	it.Finished = &end{Success: message.GetSuccess() != nil}
	if failure := message.GetError(); failure != nil {
		it.Finished.Code = codes.Code(message.GetStatus().GetCode()).String()
		it.Finished.Message = message.GetStatus().GetMessage()
		it.Finished.NonRetryable = failure.GetNonRetryable()
	}
	defer s.script.finish(message.GetTaskId())
	return &baton.BatonServiceFinishTaskResponse{}, s.end(it)
}

func (s *service) UploadAsset(stream baton.BatonService_UploadAssetServer) error {
	got, err := take(stream, s.dir)
	if err != nil {
		return err
	}
	it := line{Method: "UploadAsset", Violations: got.violations, HostID: got.hostID, Chunks: got.chunks}
	if s.about(&it, got.taskID) {
		path, err := got.keep(s.dir)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		content, broken := look(stream.Context(), path)
		it.File = content
		it.Violations = append(it.Violations, broken...)
	}
	if err := s.end(it); err != nil {
		return err
	}
	return stream.SendAndClose(&baton.BatonServiceUploadAssetResponse{})
}
