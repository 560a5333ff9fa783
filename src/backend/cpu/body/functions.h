// The products of a target, defined in its own sources: the table and the families are compiled apart.

namespace da::backend::cpu::DA_CPU_TARGET {

void linear_f32(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_f16(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_bf16(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q4_0(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q4_1(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q5_0(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q5_1(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q8_0(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q2_k(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q3_k(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q4_k(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q5_k(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_q6_k(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_iq4_nl(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_iq4_xs(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_mxfp4(const LinearJob& job, int64_t group_begin, int64_t group_end);
void linear_coded(const LinearJob& job, int64_t group_begin, int64_t group_end);

}  // namespace da::backend::cpu::DA_CPU_TARGET
