// SPDX-License-Identifier: MIT
//
// StateFiles has the files that the privileged process keeps for judgement: the lock, which lets only one daemon run,
// the state in /run, and its copy in /var/lib, which outlives a reboot. The worker maps and writes the state; this
// process only reads it.
#pragma once

#include "daemon/authz/state.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

namespace xk {

// Returns this boot's random id from the kernel.
Result<Bytes<16>> read_boot_id();

class StateFiles {
  public:
    // `run` and `state` are directories of the user. It fails with Exit::busy while another daemon has the lock. A
    // daemon that died may have left a worker (of user `worker`). It is killed first, which only root can do; under
    // systemd it has ended already. Any other process that has locked the state is not killed, and the error names it.
    // The file has room for at least `replay_entries` knocks; a larger file of this boot keeps its size.
    //
    // A file of this boot that another release wrote, or that has room for fewer knocks, stays as it is until the
    // worker has taken over its contents (previous_fd(), settle()). A damaged file, and one of a newer release, is an
    // error, because an empty state would forget used codes and lock-outs.
    static Result<StateFiles> open(const std::string& run, const std::string& state, uid_t uid, gid_t gid, uid_t worker,
                                   const Bytes<16>& boot_id, std::size_t replay_entries);

    // Takes the lock: no daemon starts while the result lives. It is empty where there is no such file, because no
    // daemon has run then since the boot. An error has Exit::busy while a daemon has the lock.
    static Result<Fd> hold(const std::string& run);
    // Whether a daemon has the lock.
    static bool is_held(const std::string& run);

    int state_fd() const { return state_.get(); }
    // The copy of an earlier boot, or -1.
    int copy_fd() const { return copy_.get(); }
    // The state file of this boot in another layout, or -1.
    int previous_fd() const { return previous_.get(); }
    // Call it when the worker has taken over the contents of previous_fd(): the new file gets its name.
    Result<void> settle();
    // The error for the file that the worker could not read. `fit` is the worker's reason; another value than a fault
    // counts as "damaged", because the worker is not trusted.
    Error unreadable(authz::StateFit fit) const;

    const authz::StateImage& image() const { return *image_; }
    std::size_t replay_entries() const { return image_.get_deleter().replay_entries; }

    // Writes the copy and waits until it is on the disk, because the next start refuses an incomplete copy. Only the
    // copy of a clean stop is marked clean.
    Result<void> save(const Now& now, bool clean);
    // Takes the mark "clean" from the copy, before any knock is accepted. A full or read-only disk must not lock users
    // out: it is an error only if a clean copy can be neither replaced nor removed. Other faults go to `note`.
    Result<void> revoke(const Now& now, const std::function<void(const std::string&)>& note);

  private:
    struct Unmap {
        std::size_t replay_entries;
        void operator()(const authz::StateImage* image) const;
    };
    std::span<const authz::ReplayEntry> replay() const;

    Fd lock_;
    Fd state_;
    Fd copy_;
    Fd previous_;
    std::string path_; // of the state file
    std::string copy_path_;
    std::unique_ptr<const authz::StateImage, Unmap> image_;
};

} // namespace xk
