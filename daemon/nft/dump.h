// SPDX-License-Identifier: MIT
//
// Dump: the answer to one dump request of nf_tables, as its datagrams come in. The kernel sends a list piece by piece.
// If a transaction is done in between, the list may lack something, hold it twice, or mix two states, and is not used.
//
// The kernel marks most such lists with NLM_F_DUMP_INTR, but never those of set elements (Linux 6.18). Every message
// carries the generation of the ruleset, which each transaction changes (nfgenmsg.res_id), so that is compared too. The
// last message of a list of elements is empty and comes after all elements were read.
//
// What the kernel does without a transaction (it frees deleted and expired elements later, and resizes the hash table)
// is marked by nothing, and can leave elements out of a list of several datagrams (32 KiB each). So such a list is
// repeated until it brings nothing new (list_until_complete() in element.h).
#pragma once

#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xk::nft {

class Dump {
  public:
    // For the request with this sequence number. Messages of other requests are skipped.
    explicit Dump(std::uint32_t sequence) : sequence_(sequence) {}

    // Reads one datagram and returns whether it was the last one. The data must be aligned for nlmsghdr. The list of a
    // table or set that does not exist is empty; any other refusal of the kernel is an Error.
    Result<bool> add_datagram(std::span<const char> data);

    bool was_interrupted() const { return interrupted_; }
    // Of the ruleset, as the kernel sent it; nothing where there was no message.
    std::optional<std::uint16_t> generation() const { return generation_; }

    // The messages, in their order; headers included.
    void for_each_message(const std::function<void(const nlmsghdr*)>& visit) const;

  private:
    void check_generation(const nlmsghdr* message); // of at least sizeof(nfgenmsg)
    Result<void> end(int code);                     // 0 or negative, of the last message

    std::uint32_t sequence_;
    bool interrupted_ = false;
    std::optional<std::uint16_t> generation_;
    std::vector<std::string> messages_;
};

// Repeats the request until a dump was not interrupted. After kMostDumps interrupted ones it is an Error: another
// program may change the ruleset without end, and the daemon must not hang because of it.
inline constexpr int kMostDumps = 100;
Result<Dump> repeat_until_whole(const std::function<Result<Dump>()>& request_dump);

} // namespace xk::nft
