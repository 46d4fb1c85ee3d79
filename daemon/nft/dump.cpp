// SPDX-License-Identifier: MIT
#include "daemon/nft/dump.h"

#include <linux/netfilter/nfnetlink.h>

namespace xk::nft {

Result<void> Dump::end(int code) {
    // ENOENT in the middle of a list is a change too: the table or set was deleted meanwhile.
    const bool changed = code == -EINTR || code == -EAGAIN || (code == -ENOENT && !messages_.empty());
    if (changed)
        interrupted_ = true;
    if (changed || code == 0 || code == -ENOENT)
        return {};
    return os_error_of(code, "nf_tables refused a dump",
                       code == -EPERM ? "xknockd needs CAP_NET_ADMIN and a kernel with nf_tables" : "");
}

void Dump::check_generation(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg))
        return;
    const std::uint16_t generation = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->res_id;
    if (generation_.value_or(generation) != generation)
        interrupted_ = true;
    generation_ = generation;
}

Result<bool> Dump::add_datagram(std::span<const char> data) {
    int left = static_cast<int>(data.size());
    for (auto* h = reinterpret_cast<const nlmsghdr*>(data.data()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        if (h->nlmsg_seq != sequence_)
            continue;
        if (h->nlmsg_flags & NLM_F_DUMP_INTR)
            interrupted_ = true;
        // Both begin with a code: the kernel ends a dump by "done" also where it fails half way.
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
            if (mnl_nlmsg_get_payload_len(h) < sizeof(int))
                return Error{"nf_tables ended a dump without a code", {}};
            if (auto fine = end(*static_cast<const int*>(mnl_nlmsg_get_payload(h))); !fine)
                return fine.error();
            return true;
        }
        check_generation(h);
        messages_.emplace_back(reinterpret_cast<const char*>(h), h->nlmsg_len);
    }
    return false;
}

void Dump::for_each_message(const std::function<void(const nlmsghdr*)>& visit) const {
    for (const std::string& message : messages_)
        visit(reinterpret_cast<const nlmsghdr*>(message.data()));
}

Result<Dump> repeat_until_whole(const std::function<Result<Dump>()>& request_dump) {
    for (int i = 0; i < kMostDumps; ++i) {
        auto dump = request_dump();
        if (!dump || !dump->was_interrupted())
            return dump;
    }
    return Error{"nf_tables changes faster than it can be listed", {}};
}

} // namespace xk::nft
