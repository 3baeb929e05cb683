package history

import (
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

var began = time.Unix(1_800_000_000, 0)

// at is a snapshot taken so long after the first.
func at(after time.Duration) *snapshot.Snapshot {
	return &snapshot.Snapshot{Taken: snapshot.Taken{At: began.Add(after)}, Time: began.Add(after)}
}

func TestRecent(t *testing.T) {
	var r Recent
	state := func(minutes int) *snapshot.Snapshot {
		n := uint64(minutes)
		s := at(time.Duration(minutes) * time.Minute)
		s.Clusters = []snapshot.Cluster{{Name: "a", Dropped: snapshot.Counts{"unrouted": n}}}
		s.Outputs = []snapshot.Output{{
			Name: "o", Retries: snapshot.Counts{"throttled": n, "network": 99}, Clusters: []snapshot.OutputCluster{
				{Dropped: snapshot.Counts{"full": n, "filter": 7 * n, "when": n, "joined": n}},
			},
			Destination: snapshot.Destination{Redirected: n, Paces: []snapshot.Pace{{Throttled: n}}},
		}}
		s.Listeners = []snapshot.Listener{{Name: "l", Refused: snapshot.Counts{"shared_key": n, "idle": 5 * n}}}
		s.DeadLetters.EvictedEvents = n
		return s
	}
	check := func(s *snapshot.Snapshot, ten, quarter, hour uint64) {
		t.Helper()
		r.Fill(s)
		got := []uint64{
			s.Listeners[0].LoginsRefusedLately, s.Clusters[0].DroppedLately, s.Outputs[0].DroppedLately,
			s.Outputs[0].ThrottledLately, s.Outputs[0].RedirectedLately, s.DeadLetters.EvictedLately,
		}
		if want := []uint64{ten, quarter, quarter, 2 * quarter, hour, hour}; !reflect.DeepEqual(got, want) {
			t.Errorf("after %v: %v, want %v", s.At.Sub(began), got, want)
		}
	}
	check(state(3), 3, 3, 3) // nothing was kept yet: counters begin with the program
	for minute := range 200 {
		r.Keep(state(minute))
		r.Keep(state(minute)) // twice in a minute is once
	}
	check(state(199), 10, 15, 60)
	if len(r.marks) != maxMarks {
		t.Errorf("%d marks are kept", len(r.marks))
	}
	anew := state(199)
	anew.Outputs[0].Redirected = 4 // a reload has made the output anew
	if r.Fill(anew); anew.Outputs[0].RedirectedLately != 4 {
		t.Errorf("after a counter began anew: %d", anew.Outputs[0].RedirectedLately)
	}
	other := state(199)
	other.Outputs[0].Name = "new"
	if r.Fill(other); other.Outputs[0].RedirectedLately != 199 {
		t.Errorf("of an output that was not there: %d", other.Outputs[0].RedirectedLately)
	}
}

func TestCommitAge(t *testing.T) {
	var r Recent
	state := func(seconds int, commits uint64) *snapshot.Snapshot {
		s := at(time.Duration(seconds) * time.Second)
		s.Queue.Commits = commits
		return s
	}
	for _, tc := range []struct {
		seconds int
		commits uint64
		want    float64
	}{{0, 0, 0}, {1, 5, 0}, {2, 5, 1}, {3, 6, 0}, {9, 6, 6}} {
		s := state(tc.seconds, tc.commits)
		if r.Fill(s); s.Queue.CommitAge != tc.want {
			t.Errorf("after %d s: the last commit is %v s old, want %v", tc.seconds, s.Queue.CommitAge, tc.want)
		}
		r.Keep(s)
	}
}

func TestSeries(t *testing.T) {
	var x Series
	for i := range 200 { // ten seconds each
		s := at(time.Duration(i) * Every)
		s.Queue.DiskBytes = int64(i)
		if i >= 195 {
			s.Outputs = []snapshot.Output{{Name: "new", Lag: float64(i)}}
		}
		if i < 198 {
			s.Clusters = []snapshot.Cluster{{Name: "a", EventsPerSecond: float64(i)}}
		}
		if !x.Keep(s) {
			t.Fatalf("point %d is none", i)
		}
		between := at(time.Duration(i)*Every + time.Second)
		between.Outputs = []snapshot.Output{{Name: "new", Lag: 1000 + float64(i)}}
		if x.Keep(between) {
			t.Fatalf("a second after point %d there is another", i)
		}
	}
	lines := x.Last(Points)
	queue := lines.Points[QueueBytes]
	if len(queue) != Points || queue[0] != 110 || queue[Points-1] != 199 || lines.Time != began.Add(199*Every) ||
		lines.Every != 10 {
		t.Errorf("%d points from %v to %v, the last of %v", len(queue), queue[0], queue[len(queue)-1], lines.Time)
	}
	if got, want := x.Last(4).Points[ClusterRate+"a"], []float64{196, 197, Missing, Missing}; !reflect.DeepEqual(
		got, want,
	) {
		t.Errorf("of a cluster that left: %v, want %v", got, want)
	}
	if got, want := x.Last(6).Points[OutputLag+"new"],
		[]float64{Missing, 1194, 1195, 1196, 1197, 1198}; !reflect.DeepEqual(got, want) {
		t.Errorf("the longest lags between two points of an output that came: %v, want %v", got, want)
	}
	late := at(199*Every + 55*time.Second) // no snapshot could be taken for a while
	late.Queue.DiskBytes = 7
	x.Keep(late)
	if got, want := x.Last(6).Points[QueueBytes],
		[]float64{199, Missing, Missing, Missing, Missing, 7}; !reflect.DeepEqual(got, want) {
		t.Errorf("after a pause: %v, want %v", got, want)
	}
	for i := range 3 * Points {
		x.Keep(at(300*Every + time.Duration(i)*Every))
	}
	if _, there := x.Last(1).Points[OutputLag+"new"]; there || len(x.lines) != 4 {
		t.Errorf("%d lines are remembered long after their clusters and outputs left", len(x.lines))
	}
}

func TestSeriesAreBounded(t *testing.T) {
	var x Series
	s := at(0)
	for i := range 3 * maxLines {
		s.Clusters = append(s.Clusters, snapshot.Cluster{Name: strconv.Itoa(i)})
	}
	if x.Keep(s); len(x.lines) != maxLines {
		t.Errorf("%d lines", len(x.lines))
	}
}

func TestTimeToFull(t *testing.T) {
	for _, tc := range []struct {
		name          string
		points        int
		perPoint      int64
		max           int64
		free, atLeast int64
		full          bool
		want          float64 // 0: can't be told
	}{
		{"it grows", 40, 100, 10_000, 1e6, 0, false, 610},
		{"the disk is full before", 40, 100, 10_000, 2000, 1000, false, 100},
		{"it shrinks", 40, -1, 10_000, 1e6, 0, false, 0},
		{"it rests", 40, 0, 10_000, 1e6, 0, false, 0},
		{"too few points", 5, 100, 10_000, 1e6, 0, false, 0},
		{"it is full", 40, 100, 10_000, 1e6, 0, true, 0},
		{"no limit", 40, 100, 0, 1e6, 0, false, 0},
	} {
		var x Series
		var last *snapshot.Snapshot
		for i := range tc.points {
			last = at(time.Duration(i) * Every)
			last.Queue = snapshot.Queue{
				DiskBytes: int64(i) * tc.perPoint, MaxBytes: tc.max, FreeDiskBytes: tc.free,
				MinFreeDiskBytes: tc.atLeast, Full: tc.full,
			}
			x.Keep(last)
		}
		switch x.Fill(last); {
		case last.Queue.FullIn == nil && tc.want != 0,
			last.Queue.FullIn != nil && (*last.Queue.FullIn < tc.want-1 || *last.Queue.FullIn > tc.want+1):
			t.Errorf("%s: %v, want %v", tc.name, last.Queue.FullIn, tc.want)
		}
	}
}

// What another pod has refused is counted from when it was heard of first: its counters are older than this program.
func TestRefusedByPods(t *testing.T) {
	var r Recent
	state := func(minute, refused int) *snapshot.Snapshot {
		s := at(time.Duration(minute) * time.Minute)
		s.Group = &snapshot.Group{Pods: []snapshot.Pod{
			{Name: "old", PodPeople: snapshot.PodPeople{LoginsRefused: uint64(refused)}},
		}}
		return s
	}
	for minute, want := range []uint64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100} {
		s := state(minute, 1000+10*minute)
		if r.Fill(s); s.Group.Pods[0].LoginsRefusedLately != want {
			t.Errorf("minute %d: %d, want %d", minute, s.Group.Pods[0].LoginsRefusedLately, want)
		}
		r.Keep(s)
	}
	again := state(13, 3)
	if r.Fill(again); again.Group.Pods[0].LoginsRefusedLately != 0 {
		t.Errorf("a counter that fell: %d", again.Group.Pods[0].LoginsRefusedLately)
	}
}
