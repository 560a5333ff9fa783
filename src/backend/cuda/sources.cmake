# The CUDA backend's sources, relative to this folder: compiled by nvcc into the plugin, and by the ordinary compiler
# against the emulated runtime for the tests.
set(cuda_host_sources
  batch.cc cuda_backend.cc gpus.cc kv_pool.cc launcher.cc memory.cc operations.cc packing.cc receive.cc staging.cc)
set(cuda_kernel_sources
  kernels/attention.cu kernels/float_linear.cu kernels/k_matrix.cu kernels/k_vector.cu kernels/legacy_matrix.cu
  kernels/legacy_vector.cu kernels/rope.cu kernels/route.cu kernels/rows.cu kernels/top_k.cu)
list(TRANSFORM cuda_host_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
list(TRANSFORM cuda_kernel_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
