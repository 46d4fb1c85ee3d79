// SPDX-License-Identifier: MIT
//
// Reads judgement's memory in the layouts of this release and the previous one (state_layout.h, state_before.h). Only
// the worker reads more than the directory: a worker wrote these files, so no privileged process parses them.
#pragma once

#include "daemon/authz/state.h"
#include "daemon/authz/state_layout.h"

#include <string>
#include <vector>

namespace xk::authz {

// Records in the order of the file. Of a live file these are the credentials before the first free record, the requests
// that are not done yet, and the knocks that are remembered.
struct StateContents {
    Bytes<16> boot_id{};
    StateHeader header{};
    std::vector<CredentialState> credentials;
    std::vector<Asked> asked;
    std::vector<PendingUse> pending; // those that wait; the previous release had none
    std::vector<HelloState> hellos;  // likewise none
    std::vector<ReplayEntry> replay;
    std::uint64_t replay_entries = 0; // of a live file: how many there is room for
};

// `contents` is filled where the result is StateFit::whole, and means nothing otherwise. An empty file is `empty`.
StateFit read_copy(ByteView bytes, StateContents& contents);
// A live file of this boot. No worker may have mapped it.
StateFit read_memory(ByteView bytes, const Bytes<16>& boot_id, StateContents& contents);

// The result of look_at_memory(): what the first bytes and the size of a live file tell.
struct MemoryFit {
    StateFit fit = StateFit::empty;
    bool as_ours = false;             // it has exactly the layout of this release and can be mapped
    std::uint64_t replay_entries = 0; // how many it has room for
};
MemoryFit look_at_memory(ByteView first_bytes, std::uint64_t size, const Bytes<16>& boot_id);

} // namespace xk::authz
