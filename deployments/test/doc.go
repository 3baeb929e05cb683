// Package deployments holds the tests of what deploys the program: image, chart, manifests, alerts. It is a module of
// its own, so that Helm and the types of Kubernetes stay out of the program's own go.mod. No cluster is needed.
package deployments
