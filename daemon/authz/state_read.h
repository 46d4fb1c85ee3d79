// SPDX-License-Identifier: MIT
//
// Reads judgement's memory of every layout since the release before (state_layout.h, state_before.h), and writes the
// copy. The worker reads: what lies in these files was written by a worker, so nobody with privileges takes it apart
// further than its directory.
#pragma once

#include "daemon/authz/state.h"
#include "daemon/authz/state_layout.h"

#include <string>
#include <vector>

namespace xk::authz {

// Records in the order of the file. Of a live file they end before the first free credential; what was asked is only
// what is not done yet; the knocks are only those that are remembered.
struct StateContents {
    Bytes<16> boot_id{};
    StateHeader header{};
    std::vector<CredentialState> credentials;
    std::vector<Asked> asked;
    std::vector<PendingUse> pending; // likewise; the release before had none
    std::vector<ReplayEntry> replay;
    std::uint64_t replay_entries = 0; // that there is room for, in a live file
};

// `contents` is what was read where the answer is StateFit::whole, and means nothing otherwise. An empty copy is empty.
StateFit read_copy(ByteView bytes, StateContents& contents);
// A live file of this boot, that no worker has mapped.
StateFit read_memory(ByteView bytes, const Bytes<16>& boot_id, StateContents& contents);

// Of a live file, by its first bytes and its size alone.
struct MemoryFit {
    StateFit fit = StateFit::empty;
    bool as_ours = false;             // laid out exactly as this release does: it can be mapped as it is
    std::uint64_t replay_entries = 0; // that it has room for
};
MemoryFit look_at_memory(ByteView first_bytes, std::uint64_t size, const Bytes<16>& boot_id);

} // namespace xk::authz
