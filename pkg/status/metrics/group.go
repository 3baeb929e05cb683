package metrics

import "github.com/seed-afc6a195/aggregator/pkg/status/snapshot"

// groupFamilies are of the aggregators that share a queue, as each of them sees all. Without a group there are none of
// their series. All other metrics are of the one that is asked alone, but for what waits: that is the group's.
func groupFamilies() []family {
	alive := func(s *snapshot.Snapshot) (pods []snapshot.Pod) {
		if s.Group == nil {
			return nil
		}
		for i := range s.Group.Pods {
			// One that was killed counts as alive for a moment beside the one in its place, and has the same name here.
			if p := &s.Group.Pods[i]; p.Alive() && !s.Group.Replaced(i) {
				pods = append(pods, *p)
			}
		}
		return pods
	}
	return []family{
		{
			name: "aggregator_group_pods",
			help: "Aggregators that share the queue, by state (ready, not_ready, gone: fallen silent within " +
				"15 minutes and not replaced on its host).",
			labels: []string{"state"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				if s.Group == nil {
					return
				}
				n := map[snapshot.PodState]float64{snapshot.PodGone: float64(len(s.Group.Missing(s.Time)))}
				for i := range s.Group.Pods {
					if p := &s.Group.Pods[i]; p.Alive() {
						n[p.State]++
					}
				}
				for _, state := range []snapshot.PodState{snapshot.PodReady, snapshot.PodNotReady, snapshot.PodGone} {
					add(n[state], string(state))
				}
			},
		},
		eachGauge("aggregator_pod_last_seen_timestamp_seconds", "When an aggregator of the group was last heard of.",
			"pod", alive,
			func(p *snapshot.Pod) (string, float64) { return p.Host, float64(p.LastSeen.UnixMilli()) / 1000 }),
		eachCounter("aggregator_pod_received_events_total", "Events that an aggregator of the group has received.",
			"pod", alive, func(p *snapshot.Pod) (string, uint64) { return p.Host, p.ReceivedEvents }),
		eachCounter("aggregator_pod_delivered_events_total",
			"Events that an aggregator of the group has delivered, for all outputs.",
			"pod", alive, func(p *snapshot.Pod) (string, uint64) { return p.Host, p.DeliveredEvents }),
	}
}
