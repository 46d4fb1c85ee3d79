// SPDX-License-Identifier: MIT
//
// The files that the privileged process keeps for judgement: the lock of the one daemon, the state in /run (which the
// worker maps and writes, we only read), and its copy in /var/lib, which outlives a reboot.
#pragma once

#include "daemon/authz/state.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

namespace xk {

// This boot's random id, from the kernel.
Result<Bytes<16>> read_boot_id();

class StateFiles {
  public:
    // `run` and `state` are directories of the user. Fails with Exit::busy while another daemon has the lock. A worker
    // (of user `worker`) that was left over by a daemon that died is ended first, which takes root (or nobody: systemd
    // does it); somebody else who locked the state is named and left alone. `replay_entries` are room for so many
    // knocks; a file of this boot that has more of them keeps them.
    //
    // A file of this boot that another release wrote, or that has room for fewer knocks, stays as it is until the
    // worker has taken over what it holds (previous_fd(), settle()). One that no release up to ours could have written,
    // or a newer one wrote, is an error: to begin with nothing would forget used codes and lock-outs.
    static Result<StateFiles> open(const std::string& run, const std::string& state, uid_t uid, gid_t gid, uid_t worker,
                                   const Bytes<16>& boot_id, std::size_t replay_entries);

    // Whether a daemon has the lock.
    static bool is_held(const std::string& run);

    int state_fd() const { return state_.get(); }
    // The copy of an earlier boot; -1 when there is none.
    int copy_fd() const { return copy_.get(); }
    // The state file of this boot in another layout; -1 when there is none.
    int previous_fd() const { return previous_.get(); }
    // The worker has taken over what previous_fd() held: the new file takes its name.
    Result<void> settle();
    // What the worker could not read; of `fit`, not StateFit::whole.
    Error unreadable(authz::StateFit fit) const;

    const authz::StateImage& image() const { return *image_; }
    std::size_t replay_entries() const { return image_.get_deleter().replay_entries; }

    // Writes the copy and waits until it is on the disk: half of one would keep the next start from beginning. Only a
    // copy of a clean stop is marked clean.
    Result<void> save(const Now& now, bool clean);
    // Makes the copy stop to say that it is clean, before anything is accepted. A disk that is full or read-only does
    // not keep a restart from letting people in: it fails only if a clean copy can be neither replaced nor removed.
    // What went wrong otherwise is told by `note`.
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
