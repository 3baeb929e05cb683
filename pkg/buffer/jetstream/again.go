package jetstream

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// answerWithin is how long the others of the group may take to say whether they know a message.
const answerWithin = time.Second

// claim finds out which of the messages that were sent more than once, and there before, this process has stored
// itself: another one may have got the same from an agent meanwhile. Those that the stream does not have any more are
// taken for the other one's: what nobody has counted is found, see package account, and what two have is missing.
func (q *Queue) claim(ctx context.Context, messages []*publish.Message) {
	var doubtful []*publish.Message
	for _, m := range messages {
		if m.Duplicate && m.Again {
			doubtful = append(doubtful, m)
		}
	}
	if len(doubtful) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return
	}
	for _, m := range doubtful {
		first, err := stream.GetMsg(ctx, m.Seq)
		if err != nil {
			continue
		}
		h, err := chunk.DecodeHeader(first.Data, nil)
		m.Duplicate = err != nil || h.Salt != q.salt()
	}
}

// question finds out of each message whose id may be another chunk's too, and is there, whether it is the same: then a
// process of the group has it unconfirmed. If none says so, it is stored under an id of its own.
func (b *batch) question(ctx context.Context, s *sealed) error {
	var again []*publish.Message
	known := map[int]bool{}
	for k, m := range s.messages {
		i := s.of[k].message
		if !m.Duplicate || b.Messages[i].Own || b.Messages[i].Chunk == "" {
			continue
		}
		same, asked := known[i]
		if !asked {
			same = b.q.unconfirmedElsewhere(ctx, b.resends.Key(i))
			known[i] = same
		}
		if !same {
			s.messages[k] = &publish.Message{Subject: m.Subject, ID: b.q.freshID() + "@" + m.Subject, Data: m.Data}
			again = append(again, s.messages[k])
		}
	}
	if len(again) == 0 {
		return nil
	}
	return b.q.publish(ctx, again, true)
}

// unconfirmedElsewhere reports whether another process of the group has stored a message of that key, and does not know
// that its client has the ack. It has forgotten it then: this one's ack counts.
func (q *Queue) unconfirmedElsewhere(ctx context.Context, k resend.Key) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return q.group.Take(ctx, binary.BigEndian.AppendUint64(k.Chunk[:], uint64(k.Events)))
}

// give is asked by others: see unconfirmedElsewhere.
func (q *Queue) give(what []byte) bool {
	k := resend.Key{}
	if n := copy(k.Chunk[:], what); n < len(k.Chunk) || len(what) != n+8 {
		return false
	}
	k.Events = int(binary.BigEndian.Uint64(what[len(k.Chunk):]))
	return q.resends.Take(k)
}
