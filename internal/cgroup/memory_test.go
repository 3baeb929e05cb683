package cgroup

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	v1Mounts = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
	v2Mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n30 22 0:26 / /sys/fs/cgroup rw,nosuid " +
		"shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
)

// tree makes a file system of names and texts.
func tree(files ...string) fs.FS {
	t := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		t[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return t
}

func TestMemory(t *testing.T) {
	for _, tc := range []struct {
		name string
		root fs.FS
		want int64
	}{
		{"no control groups", tree("etc/passwd", ""), Unlimited},
		{"version 2, a container in its own name space", tree(
			"proc/self/cgroup", "0::/\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/memory.max", "268435456\n",
			"sys/fs/cgroup/memory.high", "max\n"), 268435456},
		{
			"version 2, no limit", tree(
				"proc/self/cgroup", "0::/\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/memory.max", "max\n"),
			Unlimited,
		},
		{"version 2, nested: the parent's is less", tree(
			"proc/self/cgroup", "0::/kubepods/pod1/app\n", "proc/self/mountinfo", v2Mounts,
			"sys/fs/cgroup/kubepods/pod1/app/memory.max", "2000000\n", "sys/fs/cgroup/kubepods/pod1/memory.max",
			"1000000\n", "sys/fs/cgroup/kubepods/memory.max", "max\n"), 1000000},
		{"version 2, nested: the own is less", tree(
			"proc/self/cgroup", "0::/a/b\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/a/b/memory.max", "5\n",
			"sys/fs/cgroup/a/memory.max", "7\n"), 5},
		{"version 2, slowed down before", tree(
			"proc/self/cgroup", "0::/a\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/a/memory.max", "1000\n",
			"sys/fs/cgroup/a/memory.high", "900\n"), 900},
		{"version 2, a part of the tree is mounted", tree(
			"proc/self/cgroup", "0::/docker/x/y\n", "proc/self/mountinfo",
			strings.Replace(v2Mounts, "0:26 /", "0:26 /docker/x", 1),
			"sys/fs/cgroup/y/memory.max", "77\n", "sys/fs/cgroup/memory.max", "78\n"), 77},
		{"version 2, the group is outside of what is mounted", tree(
			"proc/self/cgroup", "0::/../..\n", "proc/self/mountinfo",
			strings.Replace(v2Mounts, "0:26 /", "0:26 /docker/x", 1), "sys/fs/cgroup/memory.max", "78\n"), 78},
		{"version 1", tree(
			"proc/self/cgroup", "4:memory:/docker/x\n1:cpu,cpuacct:/\n", "proc/self/mountinfo", v1Mounts,
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "1048576\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), 1048576},
		{"version 1, no limit", tree(
			"proc/self/cgroup", "4:memory:/\n", "proc/self/mountinfo", v1Mounts,
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), Unlimited},
		{"version 1 beside other controllers", tree(
			"proc/self/cgroup", "4:cpu,memory:/a\n", "proc/self/mountinfo",
			"35 31 0:32 / /cg rw - cgroup cgroup rw,cpu,memory\n", "cg/a/memory.limit_in_bytes", "12\n"), 12},
		{"both versions, memory in the first", tree(
			"proc/self/cgroup", "4:memory:/a\n0::/\n", "proc/self/mountinfo",
			v1Mounts+"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "12\n", "sys/fs/cgroup/unified/cgroup.procs", ""), 12},
		{"a mount point with a space", tree(
			"proc/self/cgroup", "0::/\n", "proc/self/mountinfo", `30 22 0:26 / /c\040g rw - cgroup2 cgroup2 rw`,
			"c g/memory.max", "13"), 13},
		{"more than a number holds", tree(
			"proc/self/cgroup", "0::/\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/memory.max",
			"18446744073709551615\n"), Unlimited},
		{
			"the hierarchy is not mounted", tree(
				"proc/self/cgroup", "0::/a\n", "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
			), Unlimited,
		},
		{
			"mounted as the root of all",
			tree(
				"proc/self/cgroup", "0::/\n", "proc/self/mountinfo", "30 22 0:26 / / rw - cgroup2 cgroup2 rw",
				"memory.max", "14",
			), 14,
		},
		{"a name that begins like what is mounted", tree(
			"proc/self/cgroup", "0::/ab\n", "proc/self/mountinfo", "30 22 0:26 /a /cg rw - cgroup2 cgroup2 rw",
			"cg/memory.max", "15", "cg/b/memory.max", "1"), 15},
		{
			"lines that make no sense", tree("proc/self/cgroup", "\nx\n0:/\n", "proc/self/mountinfo", "a b - c\n"),
			Unlimited,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := Memory(tc.root); got != tc.want || err != nil {
				t.Errorf("got %d, %v; want %d", got, err, tc.want)
			}
		})
	}
}

func TestMemoryFailure(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		root       fs.FS
	}{
		{
			"no number", `/sys/fs/cgroup/memory.max says "lots"`,
			tree("proc/self/cgroup", "0::/\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/memory.max", "lots"),
		},
		{
			"below nothing", "no number of bytes",
			tree("proc/self/cgroup", "0::/\n", "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/memory.max", "-1"),
		},
		{"no mounts", "mountinfo", tree("proc/self/cgroup", "0::/\n")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := Memory(tc.root); got != Unlimited || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %d, %v; want an error with %q", got, err, tc.want)
			}
		})
	}
}

// The machine that the test runs on has whatever it has, but it can be read.
func TestMemoryOfThisProcess(t *testing.T) {
	if n, err := Memory(os.DirFS("/")); err != nil || n <= 0 {
		t.Errorf("got %d, %v", n, err)
	}
}

func FuzzMemory(f *testing.F) {
	f.Add("0::/a\n", v2Mounts, "max")
	f.Add("4:memory:/a/../..\n", v1Mounts, "12\n")
	f.Add("0::/", "30 22 0:26 / / rw - cgroup2 cgroup2 rw", "14")
	f.Fuzz(func(t *testing.T, groups, mounts, limit string) {
		root := tree("proc/self/cgroup", groups, "proc/self/mountinfo", mounts, "sys/fs/cgroup/memory.max", limit,
			"sys/fs/cgroup/a/memory.max", limit, "sys/fs/cgroup/memory/memory.limit_in_bytes", limit)
		if n, err := Memory(root); n < 0 || err == nil && n > Unlimited {
			t.Errorf("%d bytes", n)
		}
	})
}
