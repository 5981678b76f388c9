package export

import (
	"fmt"
	"os"
)

// ExportCPU exports the CPU metrics.
func ExportCPU(path string, values []float64) error {
	file, err := os.Create(path + "/cpu.csv")
	if err != nil {
		return fmt.Errorf("could not create cpu file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported cpu")
	return nil
}

// ExportMemory exports the memory metrics.
func ExportMemory(path string, values []float64) error {
	file, err := os.Create(path + "/memory.csv")
	if err != nil {
		return fmt.Errorf("could not create memory file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported memory")
	return nil
}

// ExportDisk exports the disk metrics.
func ExportDisk(path string, values []float64) error {
	file, err := os.Create(path + "/disk.csv")
	if err != nil {
		return fmt.Errorf("could not create disk file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported disk")
	return nil
}

// ExportNetwork exports the network metrics.
func ExportNetwork(path string, values []float64) error {
	file, err := os.Create(path + "/network.csv")
	if err != nil {
		return fmt.Errorf("could not create network file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported network")
	return nil
}

// ExportLatency exports the latency metrics.
func ExportLatency(path string, values []float64) error {
	file, err := os.Create(path + "/latency.csv")
	if err != nil {
		return fmt.Errorf("could not create latency file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported latency")
	return nil
}

// ExportErrors exports the error metrics.
func ExportErrors(path string, values []float64) error {
	file, err := os.Create(path + "/memory.csv")
	if err != nil {
		return fmt.Errorf("could not create errors file: %w", err)
	}
	defer file.Close()
	sum := 0.0
	for i := 0; i < len(values); i++ {
		sum = sum + values[i]
		fmt.Fprintf(file, "%d,%f\n", i, values[i])
	}
	fmt.Fprintf(file, "sum,%f\n", sum)
	fmt.Fprintf(file, "avg,%f\n", sum/float64(len(values)))
	fmt.Println("exported errors")
	return nil
}
