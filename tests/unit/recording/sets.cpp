// SPDX-License-Identifier: MIT
#include "tests/unit/recording/sets.h"

#include "daemon/nft/pinhole_sets.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

namespace xk::test {
namespace {

std::string hex(const std::vector<std::uint8_t>& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes)
        for (const int half : {byte >> 4, byte & 15})
            text += "0123456789abcdef"[half];
    return text;
}

} // namespace

// As the kernel does: to add what is there changes nothing, to delete what is not there is an error. `undo` gets what
// was at each key before, because to copy the sets for each transaction takes longest where they are full.
Result<void> RecordingSets::apply(const nlmsghdr* message, std::vector<Before>& undo) {
    const auto list = nft::parse_elements(message);
    const int type = message->nlmsg_type & 0xff;
    if (!list || (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM))
        return Error{"the test knows no such message", {}};
    auto& set = tables_[list->set];
    if (type == NFT_MSG_DELSETELEM && list->elements.empty()) {
        for (const auto& [key, kept] : set)
            undo.push_back({list->set, key, kept});
        set.clear();
    }
    for (const nft::Element& element : list->elements) {
        const Key key{element.key, element.interval_end};
        const auto at = set.find(key);
        if (type == NFT_MSG_NEWSETELEM && at == set.end()) {
            undo.push_back({list->set, key, std::nullopt});
            set.emplace(key, Kept{element, element.timeout ? std::optional(now_ + *element.timeout) : std::nullopt});
        } else if (type == NFT_MSG_DELSETELEM) {
            if (at == set.end())
                return Error{"there is no such element", {}};
            undo.push_back({list->set, key, at->second});
            set.erase(at);
        }
    }
    return {};
}

void RecordingSets::end_by_time() {
    for (auto& [name, set] : tables_)
        std::erase_if(set, [&](const auto& one) { return one.second.until && *one.second.until <= now_; });
}

Result<void> RecordingSets::commit(nft::Transaction&& transaction) {
    if (transaction.empty())
        return {};
    end_by_time();
    now_ += std::chrono::duration_cast<BootTime::duration>(takes);
    if (auto fine = faults_.step("commit"); !fine)
        return fine;
    std::vector<Before> undo;
    Result<void> done;
    transaction.for_each_message([&](const nlmsghdr* message) {
        if (done)
            done = apply(message, undo);
    });
    if (!done) {
        for (auto before = undo.rbegin(); before != undo.rend(); ++before)
            if (before->kept)
                tables_[before->set].insert_or_assign(before->key, *before->kept);
            else
                tables_[before->set].erase(before->key);
        return done;
    }
    ++commits_;
    return {};
}

Result<std::vector<nft::Element>> RecordingSets::list_set(const nft::SetName& set) {
    if (auto fine = faults_.step("list"); !fine)
        return fine.error();
    end_by_time();
    std::vector<nft::Element> elements;
    if (const auto known = tables_.find(set); known != tables_.end())
        for (const auto& [key, kept] : known->second) {
            elements.push_back(kept.element);
            if (kept.until)
                elements.back().expires = std::chrono::duration_cast<std::chrono::milliseconds>(*kept.until - now_);
        }
    return elements;
}

std::vector<nft::Element> RecordingSets::elements(const std::string& set) const {
    Faults none;
    RecordingSets copy(none, now_);
    copy.tables_ = tables_;
    return copy.list_set({nft::kTable, set}).value();
}

std::size_t RecordingSets::size() const { return dump().size(); }

std::vector<std::string> RecordingSets::dump() const {
    std::vector<std::string> lines;
    for (const auto& [name, set] : tables_)
        for (const auto& [key, kept] : set)
            if (!kept.until || *kept.until > now_)
                lines.push_back(name.table + " " + name.set + " " + hex(key.first) + (key.second ? " end" : "") + " " +
                                kept.element.comment + " " + hex(kept.element.data));
    return lines;
}

void RecordingSets::put(const std::string& set, nft::Element element) {
    const Key key{element.key, element.interval_end};
    const auto until = element.timeout ? std::optional(now_ + *element.timeout) : std::nullopt;
    tables_[{nft::kTable, set}].insert_or_assign(key, Kept{std::move(element), until});
}

void RecordingSets::take(const std::string& set, const std::vector<std::uint8_t>& key) {
    tables_[{nft::kTable, set}].erase({key, false});
}

} // namespace xk::test
